"""What documents are compared with, whatever their source: benchmarks and opt-outs."""

from typing import NamedTuple

from filters import decontamination
from filters.benchmarks import load_benchmarks
from filters.opt_outs import OptOuts, load_opt_outs
from pipelines.corpus import Corpus


class Lists(NamedTuple):
    """What documents are compared with, whatever their source."""

    benchmarks: decontamination.Benchmarks
    opt_outs: OptOuts


def load_lists(corpus: Corpus) -> Lists:
    """Read the benchmarks and the opt-outs of a corpus."""
    texts = load_benchmarks(corpus.decontaminate.files)
    return Lists(decontamination.make_benchmarks(texts), load_opt_outs(corpus.opt_out.files))
