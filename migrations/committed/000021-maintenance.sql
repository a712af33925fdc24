--! Previous: sha1:09bbc608189a7eaffab0a16cc0f92c2576a728bb
--! Hash: sha1:1a90db1fc1ccedd30788dd09bb39ba046dad692f
--! Message: maintenance

-- What is done again and again, by hand or by a schedule, and the record of it.
