--! Previous: sha1:f10cb05cd177ff92b6fd2016a64cde535b654595
--! Hash: sha1:731dd390f3004292886d410e77e9f4e834189b60
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
