--! Previous: sha1:1ebf9995654391d0e85a75f4ad7525713cecd97d
--! Hash: sha1:dd84bbe331cbfdb8def1ec30b755d4578161d5e4
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
