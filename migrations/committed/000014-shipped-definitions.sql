--! Previous: sha1:a7a4bb1606da6fff6eda7519e4da12984ac21ac4
--! Hash: sha1:a0146a15db0bec1ededde62205c1d65cb3e5c6ca
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
