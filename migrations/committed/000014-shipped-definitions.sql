--! Previous: sha1:022898059366541b35a5e5b301ce7a7d7f3c5308
--! Hash: sha1:63df940e8a8c9231ed976b2df35db8d221f2f2d9
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
