--! Previous: sha1:7d5220d926339f8270d208abff640d7d8ae61d69
--! Hash: sha1:040042dcffd72e1852cf2ab3c1fc151d943c6fa4
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
