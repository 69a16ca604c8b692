"""README.md of a model directory: a model card for the Hugging Face Hub."""

from collections.abc import Iterator

from huggingface_hub import ModelCardData

from manifests.console import formatting
from objectives.tasks.registry import plain_objective
from trainer.interop.record import ModelRecord
from trainer.interop.training_data import tokens_by_license
from trainer.models import Decoder

LICENSES = 20
"""Number of licenses that the card lists; stackpile.json has all of them."""

BODY = """\
# {title}

A decoder of {parameters} parameters ({architecture}, {layers}, width {width}, {heads}), with a
context of {context} tokens and weights in {dtype}. Written by Stackpile; `stackpile.json` holds
the facts of this page.

    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(DIR)
    model = AutoModelForCausalLM.from_pretrained(DIR)
    prompt = tokenizer("def ", return_tensors="pt")
    print(tokenizer.decode(model.generate(**prompt, max_new_tokens=64)[0]))

`generation_config.json` ends a text at id {end} and suppresses control tokens.{task}

## Filling gaps

{infill}

## Training

{training}
"""

INFILL = """\
The model fills gaps. Its prompt is `{prompt}`,
where PREFIX and SUFFIX are the ids of the texts around the gap; the answer ends at id {stop}.
`generation_config_infill.json` has that end:

    from transformers import GenerationConfig

    config = GenerationConfig.from_pretrained(DIR, "generation_config_infill.json")
    model.generate(PROMPT, generation_config=config, max_new_tokens=64)"""


def card_text(title: str, model: Decoder, context: int, dtype: str, record: ModelRecord) -> str:
    """Return the model card.

    Args:
        title: of the page.
        model: gives the dimensions; its weights are not read.
        context: tokens of a training sequence.
        dtype: of the weights in the files.
        record: what the model was trained on.
    """
    header = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["code", "stackpile"],
    )
    body = BODY.format(
        title=title,
        parameters=formatting.short_count(sum(p.numel() for p in model.parameters())),
        architecture=type(model).__name__,
        layers=formatting.plural(model.dims.layers, "layer"),
        width=model.dims.width,
        heads=formatting.plural(model.dims.heads, "head"),
        context=formatting.count(context),
        dtype=dtype,
        end=record.control.end,
        task=_task(record),
        infill=_infill(record),
        training=_training(record),
    )
    return f"---\n{header.to_yaml()}\n---\n\n{body}"


def _task(record: ModelRecord) -> str:
    """Return what the card says about the task token of a text."""
    front = plain_objective(record.make_objectives()).front
    return f" Each prompt of a text\nbegins with the task token {front[0]}." if front else ""


def _infill(record: ModelRecord) -> str:
    """Return what the card says about gaps."""
    for objective in record.make_objectives().values():
        # Two ids that no vocabulary has mark the texts.
        prompt = objective.infill_prompt([-1], [-2])
        if prompt is not None:
            names = {-1: "PREFIX", -2: "SUFFIX"}
            shown = " ".join(names.get(token, str(token)) for token in prompt)
            stop = " or ".join(map(str, sorted(objective.stop_tokens)))
            return INFILL.format(prompt=shown, stop=stop)
    return "The model was trained on no objective that fills gaps."


def _training(record: ModelRecord) -> str:
    """Return what the card says about the data and the objectives."""
    objectives = record.make_objectives()
    names = ", ".join(f"`{name}`" for name in objectives)
    if record.step is None:
        return f"The directory was imported; its vocabulary has the tokens of {names}."
    lines = [
        f"{record.step:,} updates on the objectives {names}. Digest of the plan: {record.plan}."
    ]
    if prefixed := [name for name, objective in objectives.items() if objective.has_prefix]:
        lines += [
            "",
            f"In the sequences of {', '.join(prefixed)} the front attended in both directions; "
            "transformers attends causally.",
        ]
    lines += [
        "",
        "| component | tokens seen | epochs | digest of the shards |",
        "|---|--:|--:|---|",
    ]
    for component in record.components:
        cells = [component.name, formatting.count(component.tokens), f"{component.epochs:.3f}"]
        lines.append(f"| {' | '.join(cells)} | {component.digest} |")
    return "\n".join([*lines, "", _licenses(record), *_before(record)])


def _before(record: ModelRecord) -> Iterator[str]:
    """Yield what the card says about the weights that the run started from."""
    if record.init is not None:
        yield f"\n### Before: {record.init.name}\n"
        yield f"The run started from weights with the digest {record.init.weights}.\n"
        yield _training(record.init.record)


def _licenses(record: ModelRecord) -> str:
    """Return the licenses of the documents as a table."""
    unread = [component.name for component in record.components if component.licenses is None]
    ordered = list(tokens_by_license(record).items())
    rows = [(name or "none known", c.documents, c.tokens) for name, c in ordered[:LICENSES]]
    if rest := [count for _, count in ordered[LICENSES:]]:
        others = formatting.plural(len(rest), "other expression")
        rows.append((others, sum(c.documents for c in rest), sum(c.tokens for c in rest)))
    lines = ["| SPDX expression of the documents | documents | tokens seen |", "|---|--:|--:|"]
    lines += [f"| {name} | {d:,} | {tokens:,} |" for name, d, tokens in rows]
    if unread:
        lines += [
            "",
            f"The licenses of {', '.join(unread)} were out of reach when this was written.",
        ]
    return "\n".join(lines)
