"""Training: models, the sharded loop, checkpoints, sampling, evaluation and export."""
