--! Previous: sha1:e2b1cb2a6192a1a85e74eec8736873ae6c0aaf33
--! Hash: sha1:908d62f7c5f6c0503246b60bdf12edce375f2612
--! Message: credentials

-- Keys of other services that people and teams bring along, encrypted.
