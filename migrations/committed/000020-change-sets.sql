--! Previous: sha1:b1d7fb86e965ae4bc0bcfa6fe7aa894d6f670b77
--! Hash: sha1:5ec7df093c7f1ea33536fcc707068e7ca7b15a0c
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
