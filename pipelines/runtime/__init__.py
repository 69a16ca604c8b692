"""What every job shares: a step over parts (job), Beam's runners, workers, and progress bars."""
