--! Previous: sha1:12597144ab7b44b544e24c91d898e68898aaa5e3
--! Hash: sha1:5f76ed1fb394d0c562ae43ad59e8b5b4e6435b5c
--! Message: health

-- Whether the database is well, and what to do where it is not.
