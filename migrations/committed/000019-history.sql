--! Previous: sha1:c00f78036a47f78a083b0c6eaf096b649aaec9e5
--! Hash: sha1:c6222836106b728bbf85da57095ddfd4929ad8d8
--! Message: history

-- What applied at a moment, and back to it.
