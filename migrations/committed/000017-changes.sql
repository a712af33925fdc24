--! Previous: sha1:5bbf67141ae9875ba59ae69b76c55f83494d8117
--! Hash: sha1:407537a4473d20b94c5645910c12c17b0926db5c
--! Message: changes

-- What changed for whom, since when: the one source of live changes.
