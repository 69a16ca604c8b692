"""What a file says of its own license: legal words, passages, scancode's verdict on each."""
