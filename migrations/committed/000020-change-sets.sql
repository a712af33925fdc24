--! Previous: sha1:926aa29fc2d124c518d19d30fcd7c83baf9cfbdb
--! Hash: sha1:f32ed0d4efaa2faeadf109ffe41bdd74b290c617
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
