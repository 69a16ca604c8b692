"""Apache Beam jobs from raw files to token shards, and the commands around them.

Folders:

- commands: the subcommands, one module a group.
- corpus: CORPUS.toml.
- runtime: what the jobs share: steps, Beam transforms, engines, worker processes, progress.
- sources: how each kind of source is laid out, and how its files become rows.
- license_filter, dedup, tokenize: the three jobs.
- maintain: forget, compact and materialize.
- inspect: what an output holds: totals, documents, rejections, clusters, differences.
- report: the HTML page about an output.
- demo: the demo's corpus, made of installed Python packages.

Modules: preparation (the input of the jobs), prepare (the jobs in their order), summary (the
printed results) and warm (compiles the kernels).
"""
