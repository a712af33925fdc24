--! Previous: sha1:f6b9a5146a6b9f7472b6f853f6e53755f2b1e34e
--! Hash: sha1:5ef58ef5c7a1709445952f4894da4c500fb7d650
--! Message: changes

-- What changed for whom, since when: the one source of live changes.
