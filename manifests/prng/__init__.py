"""Counter-based random numbers (splitmix, permutation), and the decorator of kernels (jit)."""
