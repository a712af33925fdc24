--! Previous: sha1:50184b647f0fc5edaf3d93a0d088edd8c50f9300
--! Hash: sha1:f561cb7c51fcc0d3252cb2c8e47c37653e7b7ee5
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
