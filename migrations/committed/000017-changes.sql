--! Previous: sha1:2f740635a86b6c015170689c068454edbf23259a
--! Hash: sha1:51404a4206dde3d450691876491a87301231b1dd
--! Message: changes

-- What changed for whom, since when: the one source of live changes.
