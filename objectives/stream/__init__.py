"""The stream: sequences as a function of a plan and a position.

plan makes, reads and writes plan.json; plan_stages and epoch_caps compile its stages. order holds
the formulas of the order, sampler applies them to a position, and unit_buffer reads the units.
stream makes batches; torch_dataset hands them to PyTorch. positions computes the position of each
step. docs/stream-order.md defines the order.
"""
