--! Previous: sha1:7cbda2cd8b6960ac4921ca7637e430dc0ab93259
--! Hash: sha1:e6802c72e144f6e476f82c826bb73a74247f90b0
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
