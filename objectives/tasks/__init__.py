"""The objectives: registry names them; each module fills rows of a batch from tokens."""
