--! Previous: sha1:a15545441b87f0c907ed318355f149ae7ecd4c28
--! Hash: sha1:1750cd3347ead18b5923addd3a5880a5efb0eba4
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
