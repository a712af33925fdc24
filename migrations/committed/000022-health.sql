--! Previous: sha1:82ce56e03452fa366205b3a28b5bbe258cba80bc
--! Hash: sha1:5f0f46de6875e41a5ec60ac5418c02f34beeafe6
--! Message: health

-- Whether the database is well, and what to do where it is not.
