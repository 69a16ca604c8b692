"""How each kind of source is laid out, one module each, and how its files become rows."""
