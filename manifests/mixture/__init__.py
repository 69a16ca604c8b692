"""Mixtures of components.

MIX.toml (config), making one (mixture, recipes, columns), the sets that it lacks (published_sets),
its components and shares (resolve), and tables for people (render).
"""
