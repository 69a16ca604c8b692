"""Texts to ids at speed: the ids of `tokenizers`, by kernels over the bytes of a batch."""
