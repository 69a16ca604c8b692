"""SPDX expressions (spdx), license policies (policy), and the Pile's sets (pile_sets)."""
