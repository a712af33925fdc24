--! Previous: sha1:aaadfacd6c5d91abafe1742a6dff020da00aebc4
--! Hash: sha1:c26989a6872421f998ba0a39b64f476fa1544631
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
