--! Previous: sha1:9dfdbdfbf199e0ea1140fcc54e41ae5c8762fbd2
--! Hash: sha1:748590cf598a2a8b3dd376d32367e0a02eada815
--! Message: knowledge

-- What one learns, the others find.
