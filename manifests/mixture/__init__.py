"""Mixtures of components.

MIX.toml (config), making one (mixture, recipes, columns), its components and shares (resolve), and
tables for people (render).
"""
