"""The stream: sequences as a function of a plan and a position.

plan makes, reads and writes plan.json; unit_sizes measures how many addresses a unit has; stage is
a stretch of the stream with weights of its own; plan_stages and epoch_caps compile stages. order
holds the formulas of the order, sampler applies them to a position, unit_pieces reads a unit, and
unit_buffer keeps the units laid out. stream makes batches; torch_dataset hands them to PyTorch.
positions computes the position of each step. docs/stream-order.md defines the order.
"""
