"""How each kind of source is laid out, and how its files become rows.

- layout: `SourceLayout`, the interface; registry: all layouts by `kind`.
- parquet_input, jsonl_input: base classes that read Parquet files and JSON lines.
- the_stack, the_stack_v2, the_stack_v3, the_pile: published layouts.
- starcoderdata, with the columns of its subsets (starcoder_subsets) and the tags of its texts
  (starcoder_tags).
- own: `parquet` and `jsonl` files with a map of columns (columns).
- rows: the schema of rows, and functions that convert columns to it.
- partition: components divided by license or by a column.
"""
