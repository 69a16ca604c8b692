"""Licenses: the verdict (policy), SPDX expressions (spdx), list_versions, and pile_sets."""
