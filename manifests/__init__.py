"""The ground floor: what the data is, where it lies, and in which order it is read."""
