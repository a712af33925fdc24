--! Previous: sha1:b6b4fe4a72407cd54df9349778bb95ae75a75469
--! Hash: sha1:72c183f413af72bbd24c25ed847a478ebaf7317a
--! Message: history

-- What applied at a moment, and back to it.
