--! Previous: sha1:158fb43a8ae629703efc92a10e5c88700ddc77da
--! Hash: sha1:c4c669056b1311bf5f14282b6ed8c9c67752c65b
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
