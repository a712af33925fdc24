--! Previous: sha1:a794f1730429a21f9a143d9ec5d86f1728a8602e
--! Hash: sha1:80df09ffd6b8bded90477e2e7f674a53178d4a16
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
