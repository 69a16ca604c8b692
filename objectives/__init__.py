"""Training sequences from tokens: numpy arrays, and torch only in stream/torch_dataset.

Rooms:

- tasks: the objectives, one module each, and their registry.
- stream: the plan, the order of units, and batches by position.

Beside the rooms: preview (training sequences as text) and commands.
"""
