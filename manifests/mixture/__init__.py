"""Mixtures: MIX.toml (config), its components and shares (resolve), recipes, tables (render)."""
