--! Previous: sha1:564c02842e9864d5ecdbb372080ab0082ec20e13
--! Hash: sha1:951e31974bba8ff743db5d3cee68425bc1bf4d3c
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
