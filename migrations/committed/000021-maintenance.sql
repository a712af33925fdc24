--! Previous: sha1:8bafc9dc3baf1727fcbc1bc552c72230961b0c1d
--! Hash: sha1:acdbb00f2e4208bb28d2325c46dbd857ec9ab6aa
--! Message: maintenance

-- What is done again and again, by hand or by a schedule, and the record of it.
