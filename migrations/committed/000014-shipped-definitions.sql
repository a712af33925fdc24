--! Previous: sha1:f77fa3b548afc2ef6a371b19c09602e12647a1af
--! Hash: sha1:b11081d6e92b4d3139173185e48e035f21718084
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
