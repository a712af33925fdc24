--! Previous: sha1:87af5e6442d5ed1079d5f6c86267edc82ff937e7
--! Hash: sha1:44468f590d57b82775f3423a7079677bdcd14604
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
