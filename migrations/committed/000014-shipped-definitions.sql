--! Previous: sha1:81619e032ab2995e479eba4ea57179f85de83e49
--! Hash: sha1:ce475971a7f37a25e6c8ee217defe9689d9e71b6
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
