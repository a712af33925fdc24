--! Previous: sha1:acfeb7a47543887568c5e2fa4260769a9e526ae2
--! Hash: sha1:464aaa6e4a00b758acf41cfe68f59b16f29f3313
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
