"""How each kind of source is laid out, and how its files become rows."""
