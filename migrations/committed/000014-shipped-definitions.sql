--! Previous: sha1:708e82409c838a67e94cd45d2a16643e3f706d81
--! Hash: sha1:c87e4113ef51753c46f5d663d3d7e665eb7eb467
--! Message: shipped definitions

--!include shipped-definitions/shipped_definitions.sql
