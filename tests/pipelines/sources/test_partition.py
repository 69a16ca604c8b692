"""Components cut by license and by a column of one's own, from the rows to the mixture."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import DataError, UsageError
from manifests.lineage.chain import load_chain
from manifests.lineage.manifest import load_manifest
from manifests.mixture.mixture import make_mixture
from manifests.verify.verify import verify
from pipelines.corpus.loading import load_corpus
from pipelines.license_filter.plan import step_digest
from pipelines.license_filter.reference_lists import digest_lists
from pipelines.preparation import load_preparation
from pipelines.prepare import run_jobs
from pipelines.runtime.runners import Runner
from pipelines.sources.partition import (
    MAX_COMPONENTS,
    MAX_SLUG,
    base,
    check,
    partitioned,
    value_slug,
    with_values,
)
from tests.corpora import code

CORPUS = """
output = "out"
[[source]]
name = "ours"
kind = "{kind}"
files = "data.*"
columns = {{ text = "body", repo = "project", path = "file", license = "spdx", component = "lang" }}
partition_by = {partition_by}
license = {{ policy = "strict", missing = "reject", header = "off" }}
[filters]
[tokenize]
tokenizer = {{ train = 512, masks = 8 }}
heldout = 0.0
"""

LICENSES = ("MIT", "Apache-2.0", "GPL-3.0-only")
TOPICS = ("Web & games", None, 7)


def records():
    return [
        {
            "body": code(number),
            "project": f"owner{number}/repo",
            "file": f"{number}.{('py', 'cpp')[number % 2]}",
            "spdx": LICENSES[number % 3],
            "lang": ("Python", "C++")[number % 2],
            "topic": TOPICS[number // 6 % 3],
        }
        for number in range(36)
    ]


def write(directory, partition_by, kind="jsonl"):
    if kind == "jsonl":
        text = "".join(json.dumps(record) + "\n" for record in records())
        (directory / "data.jsonl").write_text(text)
    else:
        rows = [{**r, "topic": None if r["topic"] is None else str(r["topic"])} for r in records()]
        pq.write_table(pa.Table.from_pylist(rows), directory / "data.parquet")
    path = directory / "CORPUS.toml"
    path.write_text(CORPUS.format(kind=kind, partition_by=json.dumps(partition_by)))
    return str(path)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_components_by_column_and_license_reach_the_mixture(tmp_path, kind):
    path = write(tmp_path, ["topic", "license"], kind)
    preparation = load_preparation(path, runner=Runner(options=("--direct_num_workers=1",)))
    run_jobs(preparation)
    manifest = load_manifest(preparation.tokenize)
    assert sorted(manifest.components) == sorted(
        f"ours/{language}--{topic}--{license}"
        for language in ("python", "cpp")
        for topic in ("web-games", "unknown", "7")
        for license in ("mit", "apache-2-0")
    )
    assert manifest.extra["sources"] == {
        "ours": {"kind": kind, "partition_by": ["topic", "license"]}
    }
    funnel = load_manifest(preparation.license_filter).funnel["ours"]
    gone = funnel["ours/python"]
    assert (gone.documents, gone.documents_in) == (0, 6)  # GPL: counted, in no component

    verified = verify(load_chain(str(tmp_path / "out")))
    assert verified.faults == []
    out = str(tmp_path / "MIX.toml")
    rows = make_mixture(
        [preparation.tokenize], {"license:MIT": 3, "license:Apache-2.0": 1}, out=out
    )
    got: dict[str, float] = {}
    for row in rows:
        license = row["component"].rpartition("--")[2]
        got[license] = got.get(license, 0) + row["share"]
    assert got == pytest.approx({"mit": 0.75, "apache-2-0": 0.25})


def test_partition_by_changes_the_names_of_parts(tmp_path):
    plain, cut = (load_corpus(write(tmp_path, columns)) for columns in ([], ["license"]))
    digests = {
        step_digest(corpus, corpus.source[0], digest_lists(corpus)) for corpus in (plain, cut)
    }
    assert len(digests) == 2


def test_components_are_named_by_their_values():
    columns = ["license", "topic"]
    component = with_values("python", columns, {"topic": "Web", "license": "whatever"})
    assert component == "python--web"
    assert base(component) == "python"
    assert partitioned(component, columns, "MIT OR Apache-2.0", False) == (
        "python--mit-or-apache-2-0--web"
    )
    assert partitioned(component, columns, None, False) == "python--unknown--web"
    assert partitioned(component, columns, "GPL-3.0-only", True) == "python"


@pytest.mark.parametrize(
    ("value", "slug"),
    [
        (None, "unknown"),
        ("", "unknown"),
        ("中文", "unknown"),
        ("a--b", "a-b"),
        ("C++", "cpp"),
        (True, "true"),
        (2.5, "2-5"),
        (["MIT", None, "ISC"], "mit-isc"),
        (0, "0"),
    ],
)
def test_slugs_of_values(value, slug):
    assert value_slug(value) == slug


def test_long_values_are_cut_and_stay_distinct():
    one, other = value_slug("x " * 100 + "1"), value_slug("x " * 100 + "2")
    assert one != other
    assert max(len(one), len(other)) <= MAX_SLUG
    assert "--" not in one


def test_too_many_components_in_a_part_are_an_error():
    check("ours", [str(number) for number in range(MAX_COMPONENTS)])
    with pytest.raises(DataError, match=r"source ours: partition_by: divides one part into 1,001"):
        check("ours", [str(number) for number in range(MAX_COMPONENTS + 1)])


@pytest.mark.parametrize(
    ("kind", "partition_by", "message"),
    [
        ("jsonl", '["license", "license"]', "partition_by: a column is named twice"),
        ("the-stack", '["ext"]', "'ext' is for kinds parquet and jsonl; the-stack has license"),
    ],
)
def test_a_wrong_partition_by_is_an_error(tmp_path, kind, partition_by, message):
    path = tmp_path / "CORPUS.toml"
    path.write_text(
        f"[[source]]\nname='a'\nkind='{kind}'\nfiles='*.x'\npartition_by={partition_by}\n"
    )
    with pytest.raises(UsageError, match=message):
        load_corpus(str(path))


def test_a_missing_column_of_partition_by_is_an_error(tmp_path):
    path = write(tmp_path, ["flavor"], "parquet")
    preparation = load_preparation(path, runner=Runner(options=("--direct_num_workers=1",)))
    with pytest.raises(DataError, match="the column 'flavor' is missing"):
        run_jobs(preparation, ["license_filter"])
