"""Recipes: the RUN.toml of published models, each number with its source or "not published"."""

from pathlib import Path

from manifests.shipped import ShippedFiles

RECIPES = ShippedFiles(Path(__file__).parent / "recipes", "recipe")
