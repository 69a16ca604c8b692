"""The objectives: each one writes rows of a batch out of segments of documents.

objective is their base class, registry lists them, and batch has the arrays. causal_lm,
span_corruption, causal_masking, fim, prefix_lm and ul2 are the families. kernels, spans,
token_splits and ratios hold what families share; slot says which sequence has which objective.
docs/objectives.md describes them.
"""
