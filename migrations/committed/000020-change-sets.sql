--! Previous: sha1:4a5a48466358c1cb2de594c034ae2c4f9e265fbc
--! Hash: sha1:647d10a3234910ed4d0160943e071800a0887c24
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
