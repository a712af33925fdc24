--! Previous: sha1:24764c6b01d478024e31ffbea8451c1f72f15093
--! Hash: sha1:7c20b0797ac8f74af33cd160c46b3b64861000b4
--! Message: credentials

-- Keys of other services that people and teams bring along, encrypted.
