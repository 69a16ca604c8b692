"""Training: models, the sharded loop, checkpoints, sampling, evaluation and export."""

import os

# Before torch is imported, for OpenMP reads it once: threads that wait for each other sleep instead
# of spinning. Beside one other busy process, spinning made training on 2 cores 10 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
