"""Training: models, the sharded loop, checkpoints, sampling, evaluation and export.

`train` is the loop, `run` the directory of a run, `config` its RUN.toml, `parallel` its processes.
"""

import os

# OpenMP reads this variable once, when torch is imported. By default, waiting threads spin; with
# another busy process on 2 cores, spinning made training 10 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
