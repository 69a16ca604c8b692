"""Counter-based random numbers (splitmix), and the decorator of compiled functions (jit)."""
