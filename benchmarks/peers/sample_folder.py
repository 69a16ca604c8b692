"""Sample from a model directory with Stackpile or transformers, and print the peak memory.

`python -m benchmarks.peers.sample_folder stackpile|transformers DIR PROMPT_TOKENS SAMPLES TOKENS`
"""

import json
import sys
from pathlib import Path


def main(program: str, directory: str, prompt: int, samples: int, tokens: int) -> None:
    """Sample, and print the bytes of the process at its peak as JSON."""
    import torch

    ids = torch.arange(prompt) % 1000
    if program == "stackpile":
        from trainer.interop.folder import ModelFolder
        from trainer.sampling.generate import Decoding, Sampling, generate

        folder = ModelFolder.open(directory)
        sampling = Sampling(tokens=tokens, samples=samples)
        generate(folder.model(), [ids.tolist()], sampling, Decoding(folder.context, frozenset()))
    else:
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(directory).eval()
        model.generate(
            ids[None],
            attention_mask=torch.ones(1, prompt, dtype=torch.int64),
            do_sample=True,
            temperature=0.2,
            top_p=0.95,
            top_k=0,
            num_return_sequences=samples,
            max_new_tokens=tokens,
            eos_token_id=None,
        )
    # ru_maxrss would have the peak of the process that forked this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps({"peak": int(status["VmHWM"].split()[0]) << 10}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
