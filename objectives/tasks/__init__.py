"""The objectives: each one writes rows of a batch out of segments of documents.

objective is their base class, registry lists them, and batch has the arrays. causal_lm,
span_corruption, causal_masking, fim, prefix_lm and ul2 are the families. law says how many control
tokens a segment needs, and layout cuts the segments of a unit so that the control tokens fit.
kernels, spans, token_splits and ratios hold what families share. docs/objectives.md describes them.
"""
