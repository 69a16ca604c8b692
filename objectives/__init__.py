"""Training sequences out of tokens, as NumPy arrays; torch is used in stream/torch_dataset alone.

Folders:

- tasks: the objectives, one module for each family, and their registry.
- stream: the plan, the order of units, and batches by position.

Modules: preview (training sequences as text) and commands.
"""
