"""Reading of an output, or of a corpus before its first job; works on a base installation.

- plan: the inputs of a corpus and their parts, before any job.
- summary, diff, notes: manifests alone.
- tables: the tables of documents; find: search in them.
- document, locate: one document.
- rejected, clusters, thresholds, attribution, survey: many documents.
- originals: texts of rejected documents, from the inputs; forgotten: tombstones.
"""
