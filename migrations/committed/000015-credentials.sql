--! Previous: sha1:16a072bcd9b98f0cb37d96c3a91ba554a80c7d0c
--! Hash: sha1:436c0c15d8c8fc8555b4e302637ecdc97fd6341c
--! Message: credentials

-- Keys of other services that people and teams bring along, encrypted.
