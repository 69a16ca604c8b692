import json
import shutil

import pytest

from manifests.lineage.chain import load_chain
from pipelines.inspect.attribution import as_markdown, attribution, copyright_lines, summary


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("/* Copyright (c) 2020 Jane Doe */\nint x;", ["Copyright (c) 2020 Jane Doe"]),
        ("# copyright 2019-2021, The Authors.  \n", ["copyright 2019-2021, The Authors."]),
        ("<!-- © 2001 A B -->", ["© 2001 A B"]),
        ("// (C) 1999 X\n// (C) 1999 X\n", ["(C) 1999 X"]),
        ("Copyright: (c)  Y\n", ["Copyright: (c) Y"]),
        ("the copyright holder shall not be liable\nf(c) 12", []),
        ("x = f(c)\n2020", []),
    ],
)
def test_copyright_lines(text, lines):
    assert copyright_lines(text) == lines


def test_kept_documents_are_listed_and_removed_ones_are_not(output):
    chain = load_chain(str(output))
    result = json.loads(json.dumps(attribution(chain)))
    works = [work for named in result["licenses"].values() for work in named.values()]
    assert sum(work["documents"] for work in works) == chain.last.manifest.totals.documents
    assert set(result["licenses"]) == {"MIT", "Apache-2.0", "BSD-3-Clause"}
    assert "GPL-3.0-only" not in as_markdown(result)
    assert result["copyright_lines"] and "3 licenses" in summary(result, "x")


def test_without_documents_repositories_come_from_the_shards(output):
    whole = attribution(load_chain(str(output)))
    shutil.rmtree(output / "license_filter/documents")
    result = attribution(load_chain(str(output)))
    assert not result["copyright_lines"] and "no lines" in summary(result, "x")
    assert {n: set(names) for n, names in result["licenses"].items()} == {
        n: set(names) for n, names in whole["licenses"].items()
    }
