"""A real corpus with nothing to download: the Python packages that are installed here."""

from pipelines.demo.gather import Gathered, gather

__all__ = ["Gathered", "gather"]
