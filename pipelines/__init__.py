"""Beam jobs that turn raw files into token shards: plan, license_filter, dedup, tokenize."""
