--! Previous: sha1:f160d3ec58ccdf30fc522aac12204e2fdc03351a
--! Hash: sha1:52ac5aef06cab3dfe794059e7e7704f18213bea2
--! Message: knowledge

-- What one learns, the others find.
