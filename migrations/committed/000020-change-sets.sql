--! Previous: sha1:a052493ec234de65e72c2fcad1a44f15c9385929
--! Hash: sha1:c351ded0dde10cc77f57db02e9a01d4bf2a34566
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
