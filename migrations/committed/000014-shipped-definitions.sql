--! Previous: sha1:dbd121e04df245e750dc3cdf663bd06dae9ee892
--! Hash: sha1:f6b0a0029635bd1905479a7b4156b09d19ac512f
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
