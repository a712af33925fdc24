--! Previous: sha1:4ea7034482276f5c826fd0beef6e173f0935ff13
--! Hash: sha1:a57631fd9c79f4b5e795248d470b33f847886fbc
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
