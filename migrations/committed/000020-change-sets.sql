--! Previous: sha1:da2c0d08661783b3c333892b60dcb9b2dc07e351
--! Hash: sha1:cd783ae1bc4d15f5e94492bb12c86be5b678adfb
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
