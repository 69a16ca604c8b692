"""One HTML page about an output: its sections."""
