"""Sampling: many texts at once from a run or a model directory.

language_model has what a model needs to continue text or to fill gaps, generate decodes batches of
prompts token by token, nucleus draws a token, and text turns prompts into texts.
"""
