--! Previous: sha1:fb221aaf79f3e3a76b8b9cb3122e881b72d2a686
--! Hash: sha1:2d0ba4f7d1561f15f057d26711a50a7d2d1f2732
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
