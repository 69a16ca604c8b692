"""Apache Beam, without what it logs while it is imported and prints of what it raises anyway.

Nor what it imports where it finds it, for file systems and tables that no job of ours uses: that
would take each process a quarter of a second.
"""

import logging
import sys

_UNUSED = [name for name in ("boto3", "pandas", "pymongo") if name not in sys.modules]
sys.modules.update(dict.fromkeys(_UNUSED))  # type: ignore[arg-type]  # None: it is not there
_disabled = logging.root.manager.disable
logging.disable(max(_disabled, logging.WARNING))
import apache_beam as beam  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner  # noqa: E402
from apache_beam.runners.worker import sdk_worker  # noqa: E402

logging.disable(_disabled)
for _name in _UNUSED:
    del sys.modules[_name]


def _say_nothing(*_: object, **__: object) -> None:
    """Stands for `print` where a worker shows a traceback that the engine raises as well."""


vars(sdk_worker)["print"] = _say_nothing

__all__ = ["FnApiRunner", "PipelineOptions", "beam"]
