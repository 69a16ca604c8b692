"""Loading of CORPUS.toml: paths become absolute, and all files that it names are checked."""

import os
from collections.abc import Callable
from functools import partial

from filters.benchmarks import load_benchmarks
from filters.dedup.minhash import load_profile
from filters.licenses.policy import load_policy
from filters.opt_outs import load_opt_outs
from manifests.config import Config, load_config
from manifests.errors import UsageError
from manifests.io import files
from pipelines.corpus.corpus import Corpus
from pipelines.corpus.list_tables import Decontaminate, OptOut
from pipelines.corpus.source_table import Source
from pipelines.corpus.tokenize_table import Tokenizer


def load_corpus(path: str) -> Corpus:
    """Read CORPUS.toml, and make its relative paths absolute.

    Raises:
        UsageError: the message lists all faults of the file; or if it has none, all faults of the
            files that it names.
    """
    corpus = load_config(path, Corpus)
    base = os.path.dirname(path if "://" in path else os.path.abspath(path))
    faults: list[str] = []

    def expand(table: str) -> Config:
        """Return a table of lists with the files that match its patterns, each once."""
        lists: Decontaminate | OptOut = getattr(corpus, table)
        matches: dict[str, None] = {}
        for pattern in lists.files:
            urls = files.glob(files.resolve(base, pattern))
            if not urls:
                faults.append(f"{table}.files: {pattern}: there is no such file")
            matches.update(dict.fromkeys(urls))
        return lists.model_copy(update={"files": tuple(matches)})

    tokenizer = _resolve_tokenizer(corpus.tokenize.tokenizer, base)
    previous = [files.resolve(base, directory) for directory in corpus.dedup.previous_corpora]
    profile = _absolute_file(base, corpus.dedup.profile)
    dedup = corpus.dedup.model_copy(update={"profile": profile, "previous_corpora": previous})
    resolved = corpus.model_copy(
        update={
            "output": files.resolve(base, corpus.output or "out"),
            "source": [_resolve_source(source, base) for source in corpus.source],
            "decontaminate": expand("decontaminate"),
            "opt_out": expand("opt_out"),
            "dedup": dedup,
            "tokenize": corpus.tokenize.model_copy(update={"tokenizer": tokenizer}),
        }
    )
    if tokenizer.path and not files.exists(tokenizer.path):
        faults.append(f"tokenize.tokenizer: {tokenizer.path}: there is no such file")
    faults = [f"{path}: {fault}" for fault in faults] + _faults_of_files(resolved)
    if faults:
        raise UsageError("\n".join(faults))
    return resolved


def _faults_of_files(corpus: Corpus) -> list[str]:
    """Read the tables and lists that a corpus names; return their distinct faults."""
    policies = dict.fromkeys(source.license.policy for source in corpus.source)
    reads: list[Callable[[], object]] = [
        *(partial(load_benchmarks, [url]) for url in corpus.decontaminate.files),
        *(partial(load_opt_outs, [url]) for url in corpus.opt_out.files),
        partial(load_profile, corpus.dedup.profile),
        *(partial(load_policy, policy) for policy in policies),
    ]
    faults: dict[str, None] = {}
    for read in reads:
        try:
            read()
        except UsageError as error:
            faults[str(error)] = None
        except ModuleNotFoundError:
            pass  # The base installation cannot read licenses; it has no jobs, either.
    return list(faults)


def _resolve_source(source: Source, base: str) -> Source:
    """Make the paths of a source absolute."""
    policy = _absolute_file(base, source.license.policy)
    license = source.license.model_copy(update={"policy": policy})
    return source.model_copy(
        update={"files": files.resolve(base, source.files), "license": license}
    )


def _resolve_tokenizer(tokenizer: Tokenizer, base: str) -> Tokenizer:
    """Make the paths of a tokenizer absolute."""
    paths = tokenizer.model_dump(include={"file", "codegen2", "codegen25"}, exclude_none=True)
    return tokenizer.model_copy(
        update={name: files.resolve(base, path) for name, path in paths.items()}
    )


def _absolute_file(base: str, name: str) -> str:
    """Return a policy or profile: the path of a TOML file, or a name that ships with Stackpile."""
    return files.resolve(base, name) if name.endswith(".toml") else name
