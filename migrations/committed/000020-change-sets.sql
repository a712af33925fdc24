--! Previous: sha1:40ef3f53b7fcbb021a02383b3e91a106f25793e7
--! Hash: sha1:b0c196efd5ebf6639c4c558261f36c28b3d7578d
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
