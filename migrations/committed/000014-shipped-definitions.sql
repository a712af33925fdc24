--! Previous: sha1:0c5ca2ea3bfaf91b696c9a5ea11ce09213a2ec23
--! Hash: sha1:c66c951cfe4d2f56af2b488fe525c195adf0fd17
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
