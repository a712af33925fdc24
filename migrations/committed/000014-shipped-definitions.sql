--! Previous: sha1:0c5a812bccf9cb072e49dd99bb1b9d8e98cd2c85
--! Hash: sha1:01c1e78f45baff048d10fbf181900971e98d7f75
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
