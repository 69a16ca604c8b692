"""Presets: the CORPUS.toml of published corpora, with their sources in comments."""

from pathlib import Path

from manifests.shipped import ShippedFiles

PRESETS = ShippedFiles(Path(__file__).parent / "presets", "preset")
