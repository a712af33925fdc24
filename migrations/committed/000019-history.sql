--! Previous: sha1:72e1e0b4734726dce34d72de516a690189df3912
--! Hash: sha1:db8fcb88da71026873ef4c138361e4584aa7eb52
--! Message: history

-- What applied at a moment, and back to it.
