"""CORPUS.toml: the sources of a corpus, and the settings of the jobs.

- corpus: `Corpus`, the whole file; loading: `load_corpus`.
- source_table, list_tables, dedup_table, tokenize_table: the tables of the file.
- inputs: the files of the sources, cut into units of work.
- presets: CORPUS.toml of published corpora.
- shared_files: copies of the small files that CORPUS.toml names, for the workers.
"""
