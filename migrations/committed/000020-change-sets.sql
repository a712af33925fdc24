--! Previous: sha1:ff48f0bb31018423a336158c7bd9ebd1303a80e3
--! Hash: sha1:95120354847e1a0162119b8690ec94903aeb660f
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
