--! Previous: sha1:f960bb7d07d5a75337aed249855881c11eb3567e
--! Hash: sha1:3384beacc7143d6157b4e823a4cdc84bababe2f4
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
