--! Previous: sha1:c6eaf67ca61db495b8a3b905bb2c76933003ab00
--! Hash: sha1:dd37ddc508bf4830c4bc3392302c545b391682f9
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
