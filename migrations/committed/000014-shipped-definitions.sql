--! Previous: sha1:1cbce285099aa096ff380513bffeba00971d9663
--! Hash: sha1:3da9b7eda00119c773d47223f384c120e65434e1
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
