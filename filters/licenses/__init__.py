"""What licenses allow.

- policy: the verdict on a document.
- spdx: SPDX expressions; list_versions: the ids of each version of SPDX's list.
- upstream: license fields of upstream metadata; package_files: those of package files.
- pile_sets: the licenses of the Pile's sets.
"""
