"""Descriptions of a dataset for catalogs: the Hub's dataset card and Croissant metadata."""
