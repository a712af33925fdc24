--! Previous: sha1:317933601d584229401db7971852bd29cc3bec47
--! Hash: sha1:2ef7a6458b03764d4e512c92a95df4bb1a511b01
--! Message: change-sets

-- Several changes under one title, applied together; rollouts in steps.
