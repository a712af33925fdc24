--! Previous: sha1:6be7937d9053a5fe5f7e5284c430096fb8f1b67f
--! Hash: sha1:d5e85a1728ee43c1e9f491d2a6c018a722101b2e
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
