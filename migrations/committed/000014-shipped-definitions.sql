--! Previous: sha1:8423affcfc1417b6ddb12d668a01343c96bede12
--! Hash: sha1:808d8122f901779067a7ff7f8d6dbb5ce0920e50
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
