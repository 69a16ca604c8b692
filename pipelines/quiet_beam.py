"""Apache Beam, without what it logs while it is imported and prints of what it raises anyway."""

import logging

_disabled = logging.root.manager.disable
logging.disable(max(_disabled, logging.WARNING))
import apache_beam as beam  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner  # noqa: E402
from apache_beam.runners.worker import sdk_worker  # noqa: E402

logging.disable(_disabled)


def _say_nothing(*_: object, **__: object) -> None:
    """Stands for `print` where a worker shows a traceback that the engine raises as well."""


vars(sdk_worker)["print"] = _say_nothing

__all__ = ["FnApiRunner", "PipelineOptions", "beam"]
