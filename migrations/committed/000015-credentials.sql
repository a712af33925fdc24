--! Previous: sha1:8ec339bdd87ef777f0d04fd548ef652290329dd8
--! Hash: sha1:4534b894b2449c7dd0d6fbb75930d62ebbe69044
--! Message: credentials

-- Keys of other services that people and teams bring along, encrypted.
