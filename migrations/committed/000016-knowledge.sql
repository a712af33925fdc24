--! Previous: sha1:933ea3b98e965afec3fea4f3ba05860642b87ae7
--! Hash: sha1:5bbf67141ae9875ba59ae69b76c55f83494d8117
--! Message: knowledge

-- What one learns, the others find.
