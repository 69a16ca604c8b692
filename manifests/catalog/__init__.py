"""Descriptions of a dataset for catalogs.

describe writes hub_card's README.md and croissant's croissant.json; licenses names SPDX ids as
catalogs do.
"""
