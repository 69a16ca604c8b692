"""CORPUS.toml: the sources of a corpus, and the settings of the jobs.

- corpus: `Corpus`, the whole file; loading: `load_corpus`.
- source_table, list_tables, dedup_table, tokenize_table: the tables of the file.
"""
