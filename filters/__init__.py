"""What to do with one batch of documents: pure functions over Arrow arrays and numpy."""
