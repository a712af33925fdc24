--! Previous: sha1:330a9d50d09d8d46a313a6f32ef9b53e8a420d8e
--! Hash: sha1:85d6189105ca350edc18563b05e7bf8448fb461a
--! Message: changes

-- What changed for whom, since when: the one source of live changes.
