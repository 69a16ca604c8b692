"""Changes of a finished dataset.

- forget: write a tombstone of documents.
- compact: write the dataset without forgotten documents; compact_manifest: its manifest.
- materialize: write a mixture as shuffled shards; chunks: its units; output_guard: refuses an
  output directory that holds something else.
"""
