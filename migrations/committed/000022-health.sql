--! Previous: sha1:4b7ca42941544d7dca334aab445cd333f45e417d
--! Hash: sha1:9d2a5847bd74323f3146936402aea60b43f539f8
--! Message: health

-- Whether the database is well, and what to do where it is not.
