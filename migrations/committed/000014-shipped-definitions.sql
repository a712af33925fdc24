--! Previous: sha1:dc783c1862055e9415c7fcd19ac91b15b3403e39
--! Hash: sha1:f9d6b1a442dae4047e7137388ad0a0deea926dd1
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
