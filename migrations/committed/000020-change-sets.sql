--! Previous: sha1:33931b293296d927630ccba5ba3e9b5e96e83434
--! Hash: sha1:710127bb3f036966ba3c365a3b4282e0d1d8ba53
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
