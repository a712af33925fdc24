--! Previous: sha1:db8fcb88da71026873ef4c138361e4584aa7eb52
--! Hash: sha1:7b445c5880cf16a12ee482ee26e181b0fff0900a
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
