"""Reference lists: the benchmarks and opt-outs that documents of all sources are compared with."""

from typing import NamedTuple

from filters import benchmarks, decontamination
from filters.opt_outs import OptOuts, load_opt_outs
from manifests.errors import DataError
from pipelines.corpus.corpus import Corpus


class ListDigests(NamedTuple):
    """Sizes and digests of the reference lists, small enough to travel to workers.

    They are computed once for a run. The names of parts depend on them, workers check that they
    read the same lists, and the manifest records them.
    """

    texts: int
    """Number of texts of benchmarks."""
    benchmarks: str
    """Digest of the texts of benchmarks."""
    entries: int
    """Number of opt-outs."""
    opt_outs: str
    """Digest of the opt-outs."""

    def as_extra(self) -> dict[str, dict[str, int | str]]:
        """Return the entries of the manifest's `extra`."""
        return {
            "benchmarks": {"texts": self.texts, "sha256": self.benchmarks},
            "opt_outs": {"entries": self.entries, "sha256": self.opt_outs},
        }


class ReferenceLists(NamedTuple):
    """The reference lists in memory."""

    benchmarks: decontamination.BenchmarkIndex
    opt_outs: OptOuts


TABLES = {"opt_outs": "[opt_out]: a list", "benchmarks": "[decontaminate]: a file"}
"""Field of ListDigests -> subject of an error message."""


def digest_lists(corpus: Corpus) -> ListDigests:
    """Read the reference lists of a corpus, and return their digests."""
    return _digests(*_read(corpus))


def load_lists(corpus: Corpus, digests: ListDigests) -> ReferenceLists:
    """Read the reference lists of a corpus.

    Raises:
        DataError: the lists differ from `digests`.
    """
    texts, opt_outs = _read(corpus)
    read = _digests(texts, opt_outs)
    for table, subject in TABLES.items():
        if getattr(read, table) != getattr(digests, table):
            raise DataError(f"{subject} changed while the job runs; start it again")
    return ReferenceLists(decontamination.index_benchmarks(texts), opt_outs)


def _read(corpus: Corpus) -> tuple[list[benchmarks.BenchmarkText], OptOuts]:
    texts = benchmarks.load_benchmarks(corpus.decontaminate.files)
    return texts, load_opt_outs(corpus.opt_out.files)


def _digests(texts: list[benchmarks.BenchmarkText], opt_outs: OptOuts) -> ListDigests:
    return ListDigests(len(texts), benchmarks.digest(texts), len(opt_outs), opt_outs.digest)
