--! Previous: sha1:aab63de58ad22b0886e65b0cfe99757b900d2f52
--! Hash: sha1:a7dc9ba83ca9ffc3b3648feabebd22f622a8c4d4
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
