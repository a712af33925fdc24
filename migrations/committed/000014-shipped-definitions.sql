--! Previous: sha1:ae0265a34dff89f1bae043852316e6a11288bfee
--! Hash: sha1:9c6f8d9c0d1f42a648946fe3266268208d353838
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
