--! Previous: sha1:ea8d728a9d935f52d80ab17819382069c9beb06e
--! Hash: sha1:07897c8e6154f84df61284df5a02d6c66038fc16
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
