"""Score a model directory on LAMBADA and PIQA with lm-evaluation-harness, from local files."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

LAMBADA = {
    "doc_to_text": "{{text.split(' ')[:-1]|join(' ')}}",
    "doc_to_target": "{{' '+text.split(' ')[-1]}}",
    "output_type": "loglikelihood",
    "metric_list": [{"metric": "perplexity"}, {"metric": "acc"}],
}
PIQA = {
    "doc_to_text": "Question: {{goal}}\nAnswer:",
    "doc_to_target": "label",
    "doc_to_choice": "{{[sol1, sol2]}}",
    "output_type": "multiple_choice",
    "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
}
"""The package's lambada_openai.yaml and piqa.yaml, whose files come from a hub."""


def main(model: str, lambada: str, piqa: str) -> None:
    """Print the metrics of a model as JSON.

    Args:
        model: directory that transformers loads.
        lambada: JSON lines with `text`.
        piqa: JSON lines with `goal`, `sol1`, `sol2` and `label`.
    """
    import yaml
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    with tempfile.TemporaryDirectory() as work:
        for name, task, path in (("lambada", LAMBADA, lambada), ("piqa", PIQA, piqa)):
            config: dict[str, Any] = {
                "task": f"local_{name}",
                "dataset_path": "json",
                "dataset_kwargs": {"data_files": {"test": path}},
                "test_split": "test",
                **task,
            }
            Path(work, f"{name}.yaml").write_text(yaml.safe_dump(config))
        results = simple_evaluate(
            model="hf",
            model_args={"pretrained": model, "dtype": "float32", "device": "cpu"},
            tasks=["local_lambada", "local_piqa"],
            task_manager=TaskManager(include_path=work, include_defaults=False),
            bootstrap_iters=0,
        )["results"]
    print(json.dumps({name: results[f"local_{name}"] for name in ("lambada", "piqa")}, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
