--! Previous: sha1:1a90db1fc1ccedd30788dd09bb39ba046dad692f
--! Hash: sha1:4a8c48f3c9bd78e94b0f10226bc7e1a37a7f466c
--! Message: health

-- Whether the database is well, and what to do where it is not.
