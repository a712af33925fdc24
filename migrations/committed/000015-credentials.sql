--! Previous: sha1:c26989a6872421f998ba0a39b64f476fa1544631
--! Hash: sha1:4e332ef42a866fd5fc6d72f6bb8e6f4b9fbf03a0
--! Message: credentials

-- Keys of other services that people and teams bring along, encrypted.
