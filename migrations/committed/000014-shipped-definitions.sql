--! Previous: sha1:e41853d02f276e1cb4d7f1f255210bfc76f55747
--! Hash: sha1:21835a4e662451a128c0fe5cee7a4c479af85265
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
