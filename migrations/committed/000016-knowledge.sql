--! Previous: sha1:908d62f7c5f6c0503246b60bdf12edce375f2612
--! Hash: sha1:2f740635a86b6c015170689c068454edbf23259a
--! Message: knowledge

-- What one learns, the others find.
