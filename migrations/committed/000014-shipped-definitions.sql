--! Previous: sha1:3708b5f621e416f1a728bd9459dee75c3df52b4f
--! Hash: sha1:623eba907f1e9ffc8b74ca1340da997501e97988
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
