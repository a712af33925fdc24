--! Previous: sha1:24e2ea43a6e11010c42cdaeae48b35a33d59cc5f
--! Hash: sha1:98b12fcefe662cbe95f4360a3d5f1cb4ed71ce06
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
