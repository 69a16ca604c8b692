"""The third job: the documents that dedup keeps become a dataset of token shards.

job holds the transform `Tokenize` and the command's run of it, step the work on one shard. encoder
turns texts into ids: fast_tokenizer by gigatoken, proven on hard_texts. tags keeps, strips or
converts tags such as `<reponame>`. tokenizer makes the tokenizer.json of the dataset, and
kept_documents reads documents/ without the duplicates.
"""
