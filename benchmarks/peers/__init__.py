"""Peers that cannot live beside our packages, each in an environment of its own."""
