"""Batches by position: the plan, the order of units and components, and the PyTorch data set."""
