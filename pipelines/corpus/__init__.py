"""CORPUS.toml: sources, filters, deduplication and tokenization."""
