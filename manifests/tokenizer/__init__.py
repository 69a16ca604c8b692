"""tokenizer.json with and without control tokens, and the published vocabularies."""
