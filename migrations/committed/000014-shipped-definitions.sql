--! Previous: sha1:bc4cf2956071274285c567bee102751b0119511a
--! Hash: sha1:342cbcf45759cc67082a51da6826b26c8e858442
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
