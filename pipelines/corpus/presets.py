"""Presets: the CORPUS.toml of published corpora, with their sources in comments."""

from pathlib import Path

from manifests.config import shipped

DIRECTORY = Path(__file__).parent / "presets"


def preset_names() -> list[str]:
    """Return the names of the presets."""
    return sorted(path.stem for path in DIRECTORY.glob("*.toml"))


def read_preset(name: str) -> str:
    """Return the CORPUS.toml of a preset.

    Raises:
        UsageError: there is no such preset.
    """
    return Path(shipped(DIRECTORY, name, "preset")).read_text()


def preset_comment(name: str) -> str:
    """Return what a preset is and where it is published: the comment at its start."""
    lines = read_preset(name).splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[:end])
