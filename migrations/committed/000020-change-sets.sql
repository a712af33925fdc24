--! Previous: sha1:d81dc2e60116efd5fb083354d6831491fadedecd
--! Hash: sha1:617e31a7e35846701464bbf6a4987fdf6ffc66b5
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
