"""The demo's corpus: texts of installed packages (packages), written as data sets (corpus)."""
