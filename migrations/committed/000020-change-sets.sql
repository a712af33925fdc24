--! Previous: sha1:cc7ff3523c80c26b6647d2fd0b26a7c6ecbeb0b9
--! Hash: sha1:99620dfabfee5be6677a1cfed7f390e3830b71a6
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
