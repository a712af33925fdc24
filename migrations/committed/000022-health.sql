--! Previous: sha1:acdbb00f2e4208bb28d2325c46dbd857ec9ab6aa
--! Hash: sha1:c5d19fce934c457676996c53321d2d2837c189a6
--! Message: health

-- Whether the database is well, and what to do where it is not.
