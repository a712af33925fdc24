--! Previous: sha1:748590cf598a2a8b3dd376d32367e0a02eada815
--! Hash: sha1:b2c1b85fe67dc01ac6a16e34c0fb88280e406d87
--! Message: changes

-- What changed for whom, since when: the one source of live changes.
