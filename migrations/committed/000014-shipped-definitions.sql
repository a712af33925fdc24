--! Previous: sha1:7898fb5f0ee476336ca3bed040ded8a9848c9048
--! Hash: sha1:7e5ebe8accef0d9448f6977aeb83f88ac70943ba
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
