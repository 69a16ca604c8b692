import re
import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from manifests.console import formatting
from manifests.lineage.chain import load_chain
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture, mixture_table
from pipelines.inspect.survey import Sample, Survey, length_bins, spread, survey
from pipelines.inspect.tables import DocumentTable
from pipelines.report.page import page, report


def parsed(html: str) -> ET.Element:
    """The page as XML: tags that do not match are an error."""
    text = html.removeprefix("<!DOCTYPE html>").replace("&nbsp;", " ")
    return ET.fromstring(re.sub(r"<meta ([^>]*)>", r"<meta \1/>", text))


def words(html: str) -> str:
    return " ".join(parsed(html).itertext())


def test_the_page_draws_everything(output):
    html = report(load_chain(str(output)))
    text = words(html)
    for title in ("The funnel", "Components", "Licenses", "Length of documents", "Samples"):
        assert title in text
    for word in (
        "license_not_allowed",
        "minhash",
        "the-pile/wikipedia-en",
        "Apache-2.0",
        "it ends too early",
    ):
        assert word in text
    page = parsed(html)
    assert len(list(page.iter("svg"))) == 6
    assert all(svg.get("role") == "img" for svg in page.iter("svg"))
    assert page.get("lang") == "en"


def test_a_mixture_is_drawn_where_one_is_given(output, tmp_path):
    chain, out = load_chain(str(output)), str(tmp_path / "MIX.toml")
    weights = {"the-stack": 3.0, "the-pile": 1.0}
    make_mixture([chain.last.directory], weights, epochs=2, out=out)
    assert "The mixture" not in words(report(chain))
    text = words(report(chain, out))
    assert "MIX.toml: " in text
    for row in mixture_table(load_mixture(out)):
        share = formatting.share(row["share"], 1)
        assert f"{row['component']}: {row['epochs']:.2f} epochs, {share}" in text
    drawn = parsed(report(chain, out)).iter("svg")
    assert sum("Epochs of components" in "".join(item.itertext()) for item in drawn) == 1


def test_rules_are_listed_in_the_order_of_the_jobs(output):
    rows = [
        [cell.text for cell in row.iter("td")][:2]
        for row in parsed(report(load_chain(str(output)))).iter("tr")
    ]
    steps = [row[0] for row in rows if row and row[0] in ("license filter", "dedup")]
    assert steps[: steps.index("dedup")]
    assert "license filter" not in steps[steps.index("dedup") : steps.index("dedup") + 2]


def test_the_page_needs_nothing_else(output):
    html = report(load_chain(str(output)))
    assert "<script" not in html
    assert not re.search(r"(src|href)=|url\(|@import", html)


def test_identifiers_are_unique(output):
    identifiers = [item.get("id") for item in parsed(report(load_chain(str(output)))).iter()]
    counted = Counter(identifier for identifier in identifiers if identifier)
    assert counted
    assert set(counted.values()) == {1}


def test_equal_outputs_give_equal_pages(output):
    assert report(load_chain(str(output))) == report(load_chain(str(output)))


def test_each_step_has_a_page(output):
    for step in ("license_filter", "dedup"):
        text = words(report(load_chain(str(output / step))))
        assert "bytes" in text
        assert "Samples" in text


def test_what_documents_say_is_escaped(output):
    surveyed = Survey(
        measure="tokens",
        read=1,
        tables=1,
        licenses={},
        lengths={},
        clusters={},
        similarity={},
        samples=[
            Sample(
                {
                    "component": "a/<b>",
                    "path": "<script>alert(1)</script>",
                    "repositories": ["x&y"],
                    "license": None,
                    "id": "00",
                },
                "</pre><script>alert(2)</script>" + "z" * 5000,
            )
        ],
    )
    html = page(load_chain(str(output)), surveyed)
    assert "<script" not in html
    assert "more characters" in words(html)


def test_the_survey_counts_every_document(output):
    chain = load_chain(str(output))
    surveyed = survey(chain)
    totals = chain.last.manifest.totals
    assert sum(count.documents for count in surveyed.licenses.values()) == totals.documents
    assert sum(count.bytes for count in surveyed.licenses.values()) == totals.tokens
    assert sum(surveyed.lengths.values()) == totals.documents
    gone = [pq.read_table(path).num_rows for path in output.glob("dedup/duplicates/*")]
    assert surveyed.clusters == {2: sum(gone)}
    assert set(surveyed.similarity) == {17}
    assert len({sample.origin["component"] for sample in surveyed.samples}) == 3


@given(st.lists(st.integers(0, 1 << 40)))
def test_lengths_fall_into_powers_of_two(lengths):
    bins = length_bins(np.array(lengths, np.uint64))
    assert bins.tolist() == [length.bit_length() for length in lengths]


@given(st.integers(0, 50), st.integers(1, 60))
def test_tables_are_evenly_spread_and_none_twice(number, most):
    tables = [DocumentTable(str(place), place, "") for place in range(number)]
    chosen = [int(table.url) for table in spread(tables, most)]
    assert len(chosen) == min(number, most)
    assert chosen == sorted(set(chosen))
    gaps = np.diff(chosen)
    assert not len(gaps) or gaps.max() - gaps.min() <= 1


def test_columns_after_the_words_are_numbers(output):
    rows = parsed(report(load_chain(str(output)))).iter("tr")
    cells = next(
        cells for row in rows if len(cells := list(row.iter("td"))) and cells[0].text == "dedup"
    )
    assert [cell.get("class") for cell in cells] == [None, None, "number", "number", "number"]
