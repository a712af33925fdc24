--! Previous: sha1:8a19946a8caf3c12a4302c8494bddf4b0200f1d5
--! Hash: sha1:17cae96b0a70ece6a5d3e13abcd238455fed05f0
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
