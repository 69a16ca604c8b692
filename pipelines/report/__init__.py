"""One HTML page about an output: its sections, and drawings as SVG."""
