--! Previous: sha1:63d5edf64af976160deb110ad0dbefb8f2b4c91b
--! Hash: sha1:f160d3ec58ccdf30fc522aac12204e2fdc03351a
--! Message: credentials

-- Keys of other services that people and teams bring along, encrypted.
