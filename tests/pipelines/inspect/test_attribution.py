import json
import shutil

import pytest

from manifests.lineage.chain import load_chain
from pipelines.inspect.attribution import as_text, attribution, copyright_lines, summary


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


def test_what_is_kept_is_listed_and_what_was_removed_is_not(output):
    chain = load_chain(str(output))
    told = json.loads(json.dumps(attribution(chain)))
    works = [work for named in told["licenses"].values() for work in named.values()]
    assert sum(work["documents"] for work in works) == chain.last.manifest.totals.documents
    assert set(told["licenses"]) == {"MIT", "Apache-2.0", "BSD-3-Clause"}
    assert "GPL-3.0-only" not in as_text(told)
    assert told["copyright_lines"] and "3 licenses" in summary(told, "x")


def test_without_documents_the_shards_still_name_repositories(output):
    whole = attribution(load_chain(str(output)))
    shutil.rmtree(output / "license_filter/documents")
    told = attribution(load_chain(str(output)))
    assert not told["copyright_lines"] and "no lines" in summary(told, "x")
    assert {n: set(each) for n, each in told["licenses"].items()} == {
        n: set(each) for n, each in whole["licenses"].items()
    }
