"""Tables of mixtures: shares and epochs by group, caps, and changes."""

import pytest

from manifests.errors import UsageError
from manifests.mixture.config import load_mixture
from manifests.mixture.mixture import make_mixture, mixture_table
from manifests.mixture.render import diff_view, mixture_diff, mixture_view
from tests.outputs import printed

TOKENS = {"the-stack/c": 600_000, "the-stack/python": 200_000, "the-pile/arxiv": 100_000}


@pytest.fixture
def dataset(tmp_path, made_up_dataset):
    return made_up_dataset(tmp_path / "tokenize-a", TOKENS)


@pytest.fixture
def mixed(dataset, tmp_path):
    def mix(name, **options):
        out = str(tmp_path / name)
        make_mixture([dataset], out=out, **options)
        return out

    return mix


def test_mix_prints_each_component_below_its_group(mixed):
    out = mixed("MIX.toml", weights={"the-stack": 1, "the-pile": 1}, max_epochs={"the-pile": 2})
    shown = printed(mixture_view(mixture_table(load_mixture(out)), out))
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.split()}
    assert lines["the-stack"] == ["800,000", "50.0", "%", "77.8", "%", "0.88"]
    assert lines["the-pile/arxiv*"] == ["100,000", "50.0", "%", "22.2", "%", "2.00"]
    assert "reached its max_epochs" in shown
    assert "forgotten" not in shown


def test_a_diff_lists_changed_shares_and_epochs(mixed, tmp_path):
    old = mixed("OLD.toml", weights={"the-stack/c": 1, "the-pile": 1})
    new = mixed("NEW.toml", weights={"the-stack": 3, "the-pile": 1}, tokens=400_000, seed=4)
    changed = mixture_diff(old, new)
    assert changed["budget"] == [700_000, 400_000]
    assert changed["seed"] == [0, 4]
    assert changed["components"]["the-stack/python"] == {
        "tokens": [None, 200_000],
        "share": [None, pytest.approx(0.1875)],
        "epochs": [None, pytest.approx(0.375)],
    }
    assert changed["components"]["the-pile/arxiv"]["epochs"] == pytest.approx([3.5, 1.0])
    shown = printed(diff_view(changed))
    assert "budget: 700,000 -> 400,000" in shown
    assert "the-pile/arxiv" in shown
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.split()}
    assert lines["the-pile/arxiv"] == ["50.0", "%", "25.0", "%", "3.50", "1.00", "100,000"]
    assert lines["the-stack/python"] == ["-", "18.8", "%", "-", "0.38", "200,000"]
    nothing = mixture_diff(old, old)
    assert (nothing["components"], nothing["same"]) == ({}, 2)
    assert "2 components: the same shares and epochs" in printed(diff_view(nothing))
    with pytest.raises(UsageError, match=r"none\.toml: there is no such file"):
        mixture_diff(old, str(tmp_path / "none.toml"))
