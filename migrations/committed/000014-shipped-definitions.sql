--! Previous: sha1:375af733652a141d27ca1c78266c39b15bba4973
--! Hash: sha1:f21e4344020046de74c1353f32f8678baa01ef93
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
