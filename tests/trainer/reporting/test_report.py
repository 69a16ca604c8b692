"""The page of a run: what it draws, and what it says that the run was trained on."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from manifests.errors import UsageError
from tests.trainer.recorder import Recorder, kill
from trainer.interop.export import export_run
from trainer.metrics import read_metrics
from trainer.reporting.report import run_report
from trainer.run import Run
from trainer.train import train

CHOSEN = ["metrics.components_every=2", "validation.every=2", "validation.documents=3"]


def parsed(html: str) -> ET.Element:
    text = html.removeprefix("<!DOCTYPE html>").replace("&nbsp;", " ")
    return ET.fromstring(re.sub(r"<meta ([^>]*)>", r"<meta \1/>", text))


def rows(page: ET.Element, head: str) -> list[list[str]]:
    """The cells of the last table whose first column is `head`."""
    tables = [table for table in page.iter("table") if next(table.iter("th")).text == head]
    return [[cell.text or "" for cell in row.iter("td")] for row in tables[-1].iter("tr")][1:]


def test_the_page_draws_all_curves_and_says_what_the_run_has_trained_on(configure) -> None:
    last = train(config := configure(*CHOSEN))
    html = run_report(config.output)
    page = parsed(html)
    titles = [svg[0].text for svg in page.iter("svg")]
    assert titles == [
        "Loss",
        "Loss by objective",
        "Loss by source",
        "Validation loss",
        "Validation, bits per byte",
        "Validation loss of filling gaps",
        "Learning rate",
        "Gradient norm before clipping",
        "Tokens a second",
    ]
    components = last["components"]
    for name, tokens, _, epochs, _ in rows(page, "component"):
        assert tokens == f"{components[name]['addresses']:,.0f}"
        assert epochs == f"{components[name]['epochs']:.3f}"
    seen = sum(count["addresses"] for count in components.values())
    licenses = rows(page, "license")
    assert {row[0] for row in licenses} == {"MIT", "none known"}
    told = sum(int(row[2].replace(",", "")) for row in licenses)
    assert told == pytest.approx(seen, rel=0.01)
    assert "<script" not in html and not re.search(r"(src|href)=|url\(", html)


def test_the_record_of_the_run_is_that_of_its_export(configure, tmp_path) -> None:
    train(config := configure("schedule.steps=2"))
    export_run(Run.open(config.output), str(tmp_path / "hf"))
    record, exported = (
        json.loads(Path(place, "stackpile.json").read_text())
        for place in (config.output, tmp_path / "hf")
    )
    assert record == exported
    assert (record["step"], record["position"]) == (2, 16)


def test_a_longer_run_has_another_record(configure) -> None:
    for steps in (1, 2):
        train(config := configure(f"schedule.steps={steps}"))
        record = json.loads(Path(config.output, "stackpile.json").read_text())
        assert record["step"] == steps


def test_a_run_that_goes_on_has_a_page(configure) -> None:
    config = configure("output=b")
    with pytest.raises(MemoryError):
        train(config, source=Recorder(2, kill))
    assert len(read_metrics(f"{config.output}/metrics.jsonl")) == 2
    assert "A run after 2 updates" in run_report(config.output)
    assert not Path(config.output, "stackpile.json").exists()


def test_a_run_without_updates_and_another_directory_are_refused(configure, tmp_path) -> None:
    with pytest.raises(MemoryError):
        train(config := configure(), source=Recorder(0, kill))
    with pytest.raises(UsageError, match="has made no update yet"):
        run_report(config.output)
    with pytest.raises(UsageError, match=r"is not a run: it has no plan\.json"):
        run_report(str(tmp_path))
