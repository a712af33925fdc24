--! Previous: sha1:5b37fbf8802b76823fc8472fac814a0ad0208283
--! Hash: sha1:7e9ff38251bab1429a3ae5e2cf7f78544dc97968
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
