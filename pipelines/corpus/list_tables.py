"""The tables `[decontaminate]` and `[opt_out]` of CORPUS.toml: lists of what is left out."""

from manifests.config import Config


class Decontaminate(Config):
    """Benchmarks that the corpus must not hold."""

    files: tuple[str, ...] = ()
    """The benchmarks' own files (JSON lines, .gz too), wildcards allowed: HumanEval and its Infill
    variants, MBPP, LAMBADA, PIQA, MTPB, DS-1000, APPS, GSM8K. A document that holds a prompt, a
    solution or a passage of a benchmark is rejected."""


class OptOut(Config):
    """Documents that are left out at the request of their owners."""

    files: tuple[str, ...] = ()
    """Lists of owners, repositories, paths and ids, one a line; wildcards allowed."""
