"""Apache Beam, imported without what it logs while it is imported."""

import logging

_disabled = logging.root.manager.disable
logging.disable(max(_disabled, logging.WARNING))
import apache_beam as beam  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner  # noqa: E402
from apache_beam.transforms.environments import SubprocessSDKEnvironment  # noqa: E402

logging.disable(_disabled)

__all__ = ["FnApiRunner", "PipelineOptions", "SubprocessSDKEnvironment", "beam"]
