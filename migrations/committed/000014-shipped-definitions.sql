--! Previous: sha1:02176336f999d5ed9b773f4191d37f716b33ab43
--! Hash: sha1:d4c5c48371847ab11db1f3fb5f0e265570b1d0c6
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
