--! Previous: sha1:eacea5d716760cc245cba74efa5380da6e81d5e4
--! Hash: sha1:979b5cc3df1b9169904cc4327bb4c7bffe7bebcb
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
