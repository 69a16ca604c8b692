"""Licenses: expressions (spdx), versions of the list (list_versions), policy, and pile_sets."""
