--! Previous: sha1:4534b894b2449c7dd0d6fbb75930d62ebbe69044
--! Hash: sha1:f6b9a5146a6b9f7472b6f853f6e53755f2b1e34e
--! Message: knowledge

-- What one learns, the others find.
