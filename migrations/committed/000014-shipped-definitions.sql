--! Previous: sha1:e10924e546e34ee657391e6ec705ebd99bec67bd
--! Hash: sha1:22e85aee2c90dbc37ecdb81ef653c1de12069085
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
