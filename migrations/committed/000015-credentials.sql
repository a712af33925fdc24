--! Previous: sha1:8cb9ab1d95f30f51b105eb026c68bf65d7b4cc8a
--! Hash: sha1:9dfdbdfbf199e0ea1140fcc54e41ae5c8762fbd2
--! Message: credentials

-- Keys of other services that people and teams bring along, encrypted.
