--! Previous: sha1:71d217f4083b060b7e48af126b187da9794f4b62
--! Hash: sha1:41499b70e1707af99f0c439aba1667d7ac575d53
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
