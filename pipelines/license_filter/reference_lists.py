"""What documents are compared with, whatever their source: benchmarks and opt-outs."""

from typing import NamedTuple

from filters import benchmarks, decontamination
from filters.opt_outs import OptOuts, load_opt_outs
from manifests.errors import DataError
from pipelines.corpus.corpus import Corpus


class Held(NamedTuple):
    """How much the lists of a corpus hold, and which: small enough to travel to workers.

    It is made once for a run. Parts are named after it, workers see to it that they read the same,
    and the manifest records it, so that no manifest claims a list that was not obeyed.
    """

    texts: int
    benchmarks: str
    """The digest of the benchmarks' texts."""
    entries: int
    opt_outs: str
    """The digest of the opt-outs' entries."""

    def recorded(self) -> dict[str, dict[str, int | str]]:
        """Return it as the manifest has it."""
        return {
            "benchmarks": {"texts": self.texts, "sha256": self.benchmarks},
            "opt_outs": {"entries": self.entries, "sha256": self.opt_outs},
        }


class Lists(NamedTuple):
    """The lists themselves, ready to be compared with."""

    benchmarks: decontamination.BenchmarkIndex
    opt_outs: OptOuts


def look(corpus: Corpus) -> Held:
    """Read the files of benchmarks and of opt-outs of a corpus, and tell what they hold."""
    return _held(benchmarks.load_benchmarks(corpus.decontaminate.files), _opt_outs(corpus))


def load_lists(corpus: Corpus, held: Held) -> Lists:
    """Read the benchmarks and the opt-outs of a corpus.

    Raises:
        DataError: they are not what the run began with.
    """
    texts, opt_outs = benchmarks.load_benchmarks(corpus.decontaminate.files), _opt_outs(corpus)
    found = _held(texts, opt_outs)
    for table in ("opt_outs", "benchmarks"):
        if getattr(found, table) != getattr(held, table):
            raise DataError(f"{TABLES[table]} changed while the job runs; start it again")
    return Lists(decontamination.index_benchmarks(texts), opt_outs)


TABLES = {"opt_outs": "[opt_out]: a list", "benchmarks": "[decontaminate]: a file"}
"""What of a corpus -> how a sentence names it."""


def _opt_outs(corpus: Corpus) -> OptOuts:
    return load_opt_outs(corpus.opt_out.files)


def _held(texts: list[benchmarks.BenchmarkText], opt_outs: OptOuts) -> Held:
    return Held(len(texts), benchmarks.digest(texts), len(opt_outs), opt_outs.digest)
