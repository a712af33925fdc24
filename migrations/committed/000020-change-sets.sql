--! Previous: sha1:c6222836106b728bbf85da57095ddfd4929ad8d8
--! Hash: sha1:60b113f6f9fd6cba70a41e4a76f8579e6489fe23
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
