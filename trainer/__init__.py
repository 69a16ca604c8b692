"""Training: models, the sharded loop, checkpoints, sampling, evaluation and export.

commands are the subcommands. train is the loop, losses its loss by objective and source,
optimization the update of the weights, checkpoints what is saved and resumed, run and layout the
directory of a run, config its RUN.toml, parallel its processes, metrics and reporting what it
reports, heldout and evaluate its validation, interrupt how it stops, estimate and out_of_memory
what it needs. recipes has the configs of published models. sampling and trace use a finished run.
interop reads and writes model directories of Hugging Face. models has the decoders. evaluation
scores models on benchmarks, and sandbox runs the programs that a model wrote.
"""

import os

# OpenMP reads this variable once, when torch is imported. By default, waiting threads spin; with
# another busy process on 2 cores, spinning made training 10 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
