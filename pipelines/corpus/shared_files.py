"""Copies of the small files that CORPUS.toml names, in the output, where every worker reads them.

A worker on another machine does not see the paths of the driver. Copies lie in directories named by
the digests of their contents, so a file that is edited while a job runs changes nothing.
"""

import shutil

from manifests.io import files
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.source_table import Source

FOLDER = "config"
"""Directory of the copies, below the output."""


def share_files(corpus: Corpus, output: str) -> Corpus:
    """Copy policies, the dedup profile, benchmarks and opt-outs of a corpus into its output.

    Args:
        corpus: with absolute paths.
        output: the output, a path or URL.

    Returns:
        The corpus with the URLs of the copies. What ships with Stackpile keeps its name.
    """

    def copy(url: str) -> str:
        # A file keeps its name: a benchmark is called by it.
        target = files.join(output, FOLDER, files.sha256(url)[:16], url.rsplit("/", 1)[-1])
        if not files.exists(target):
            with files.open_input(url) as source, files.replacing(target) as copied:
                shutil.copyfileobj(source, copied)
        return target

    def shipped_or_copied(name: str) -> str:
        return copy(name) if name.endswith(".toml") else name

    def with_policy(source: Source) -> Source:
        policy = shipped_or_copied(source.license.policy)
        license = source.license.model_copy(update={"policy": policy})
        return source.model_copy(update={"license": license})

    def copied_lists(table: str) -> object:
        lists = getattr(corpus, table)
        return lists.model_copy(update={"files": tuple(map(copy, lists.files))})

    profile = shipped_or_copied(corpus.dedup.profile)
    return corpus.model_copy(
        update={
            "source": [with_policy(source) for source in corpus.source],
            "decontaminate": copied_lists("decontaminate"),
            "opt_out": copied_lists("opt_out"),
            "dedup": corpus.dedup.model_copy(update={"profile": profile}),
        }
    )
