"""The objectives: each one writes rows of a batch out of segments of documents.

objective is their base class, registry lists them, and batch has the arrays. causal_lm,
span_corruption, causal_masking, fim and ul2 are the families. prefix draws the prefixes of a
Prefix-LM. law says how many control tokens a segment needs, and layout cuts the segments of a unit
so that the control tokens fit. kernels, spans and token_splits hold what families share.
docs/objectives.md describes them.
"""
