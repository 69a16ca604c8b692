"""All source layouts, by the `kind` of a source in CORPUS.toml."""

from collections.abc import Mapping

from pipelines.sources.layout import SourceLayout
from pipelines.sources.own import OwnJsonLines, OwnParquet
from pipelines.sources.starcoderdata import StarCoderData
from pipelines.sources.the_pile import ThePile
from pipelines.sources.the_stack import TheStack
from pipelines.sources.the_stack_v2 import TheStackV2
from pipelines.sources.the_stack_v3 import TheStackV3

LAYOUTS: Mapping[str, type[SourceLayout]] = {
    "the-stack": TheStack,
    "the-stack-v2": TheStackV2,
    "the-stack-v3": TheStackV3,
    "starcoderdata": StarCoderData,
    "the-pile": ThePile,
    "parquet": OwnParquet,
    "jsonl": OwnJsonLines,
}
