"""All license layers over the real sample, and headers alone, compared with known licenses.

The corpus holds stack/data/LANG/*.parquet in The Stack's layout, and truth/files.parquet: the
licenses of package and file, by the package's metadata and by debian/copyright. A file must be
accepted if the truth calls it permissive and the policy allows the license that the truth names:
`strict` leaves out some permissive licenses (Artistic-2.0). Files that were accepted or rejected
against the truth are printed on stderr, with the evidence.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.claims import Claim, main, say
from benchmarks.license_veto import run_scancode
from filters.licenses.policy import LicenseVerdicts, Policy, judge_licenses, load_policy
from filters.scancode.client import Detector
from pipelines.corpus.source_table import Source
from pipelines.license_filter.header_veto import Headers, read_headers
from pipelines.license_filter.package_choices import add_choices, make_table
from pipelines.license_filter.repository_licenses import load_table
from pipelines.sources import the_stack

PACKAGES = ("scancode-toolkit", "license-expression")


class Truth(NamedTuple):
    """The truth about n files, bool [n] each.

    Attributes:
        permissive: the license of the file, or else of its package, is permissive.
        allowed: permissive, and the policy allows the license that the truth names.
        differs: the file is permissive and its package is not, or vice versa.
    """

    permissive: Any
    allowed: Any
    differs: Any


def measure(data: Path) -> Sequence[Claim]:
    """Judge every file of the sample, and again the files that differ from their package."""
    if not (data / "truth" / "files.parquet").exists():
        say(f"{data}: has no truth/files.parquet, the licenses of its files")
        return []
    policy = load_policy("strict")
    rows = with_package_choices(data, read_rows(data))
    known = read_truth(data, rows)
    truth = judged(known, policy)
    texts = rows["text"].combine_chunks()
    with tempfile.TemporaryDirectory() as cache:
        headers = read_headers(texts, np.ones(len(texts), bool), policy, Detector(cache))
    layers = {row: [finding] for row, finding in headers.findings.items()}
    verdicts = judge_licenses(policy, rows["licenses"], "reject", layers)
    print_errors(known, truth, headers, verdicts)
    kept, right = verdicts.kept, verdicts.kept & truth.permissive
    result = verdicts.kept & truth.allowed
    return [
        Claim(
            "all layers: accepted files that are permissive, of all accepted",
            int(right.sum()),
            int(kept.sum()),
            0.999,
            PACKAGES,
        ),
        Claim(
            "all layers: permissive files that the policy allows, accepted of all",
            int(result.sum()),
            int(truth.allowed.sum()),
            0.99,
            PACKAGES,
        ),
        *headers_alone(texts, truth, headers, policy),
    ]


def read_rows(data: Path) -> pa.Table:
    """Return the corpus as the license filter reads it."""
    layout = the_stack.TheStack()
    urls = [str(path) for path in sorted(data.glob("stack/data/*/*.parquet"))]
    units = [(url, unit) for url in urls for unit in layout.cut(url)]
    parts = [part.rows for url, unit in units for part in layout.read(url, url, unit)]
    return pa.concat_tables(parts)


def with_package_choices(data: Path, rows: pa.Table) -> pa.Table:
    """Return rows with the choices of licenses that package files of the corpus state."""
    source = Source(name="stack", kind="the-stack", files=str(data / "stack/data/*/*.parquet"))
    with tempfile.TemporaryDirectory() as directory:
        table = make_table(directory, source)
        return rows if table is None else add_choices(rows, load_table(table))


def read_truth(data: Path, rows: pa.Table) -> list[dict[str, Any]]:
    """Return the truth of each row."""
    known = {
        (row["repo_name"], row["path"]): row
        for row in pq.read_table(data / "truth" / "files.parquet").to_pylist()
    }
    names = zip(rows["repositories"].to_pylist(), rows["path"].to_pylist(), strict=True)
    return [known[repositories[0], path] for repositories, path in names]


def judged(known: Sequence[dict[str, Any]], policy: Policy) -> Truth:
    """Return the truth of files under a policy."""
    permissive = np.array([row["permissive"] is True for row in known])
    expressions = [row["file_expression"] or row["package_expression"] for row in known]
    allows = {text: policy.judge([text]).judgment != "deny" for text in set(expressions)}
    allowed = permissive & np.array([allows[text] for text in expressions])
    sides = [(row["file_permissive"], row["package_permissive"]) for row in known]
    differs = np.array([None not in side and side[0] != side[1] for side in sides])
    return Truth(permissive, allowed, differs)


def print_errors(
    known: Sequence[dict[str, Any]], truth: Truth, headers: Headers, verdicts: LicenseVerdicts
) -> None:
    """Print the decisions against the truth, by package, license and evidence."""
    share = (verdicts.kept & truth.permissive).sum() / truth.permissive.sum()
    say(f"{share:.4f} of all permissive files are accepted, whatever the policy says of them")
    groups = (
        ("accepted, not permissive", verdicts.kept & ~truth.permissive),
        ("rejected, permissive and allowed", ~verdicts.kept & truth.allowed),
    )
    for name, wrong in groups:
        counted = Counter(
            (
                known[row]["package"],
                known[row]["file_expression"] or known[row]["package_expression"],
                f"{verdicts.layer[row]} says {verdicts.expression[row]}",
                headers.details.get(row, "").partition(", lines")[0],
            )
            for row in np.flatnonzero(wrong).tolist()
        )
        for what, count in counted.most_common():
            say(f"{name}: {count} of {', '.join(filter(None, what))}")


def headers_alone(texts: Any, truth: Truth, headers: Headers, policy: Policy) -> list[Claim]:
    """Claim recall and precision of denials by headers, for files unlike their package."""
    rows = np.flatnonzero(truth.differs).tolist()
    whole, _ = run_scancode(texts.take(pa.array(rows)).to_pylist(), policy)
    wrong = {row for row in rows if not truth.permissive[row]}
    ours = recall_and_precision({row for row in rows if row in headers.findings}, wrong)
    peer = recall_and_precision({rows[i] for i in whole}, wrong)
    name = f"{len(rows)} files unlike their package, metadata hidden"
    return [
        Claim(f"{name}: denied rightly, beside ScanCode", ours[0], peer[0], 1, PACKAGES),
        Claim(f"{name}: not denied wrongly, beside ScanCode", ours[1], peer[1], 1, PACKAGES),
    ]


def recall_and_precision(denied: set[int], wrong: set[int]) -> tuple[float, float]:
    """Return recall and precision of denials."""
    both = len(denied & wrong)
    return both / max(1, len(wrong)), both / max(1, len(denied))


if __name__ == "__main__":
    main("benchmarks.license_layers", measure)
