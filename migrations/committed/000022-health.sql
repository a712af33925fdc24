--! Previous: sha1:28ec4598d046832578c94a6b138c01cb6dc6f853
--! Hash: sha1:38fa2eacddc34fb599fb6dcf9f23589171082ab2
--! Message: health

-- Whether the database is well, and what to do where it is not.
