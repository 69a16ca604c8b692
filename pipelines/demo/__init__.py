"""The demo's corpus: texts of installed Python packages (packages), written as data sets (corpus)."""
