"""Tokenizers: tokenizer.json without control tokens, published vocabularies, byte symbols."""
