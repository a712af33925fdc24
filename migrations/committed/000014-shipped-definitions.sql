--! Previous: sha1:497c8d54241dda432765d1c1fbe3cfd4fd3c71c2
--! Hash: sha1:3d25edee987beb7047e8243a671d04cd95dbc937
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
