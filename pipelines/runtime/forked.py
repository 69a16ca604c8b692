"""Beam's in-process engine with workers that are forked: what Beam calls an environment."""

import threading
from typing import Any

from apache_beam.portability.api import beam_fn_api_pb2, endpoints_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.transforms.environments import Environment, python_sdk_capabilities
from google.protobuf import json_format, text_format  # type: ignore[import-untyped]

from pipelines.runtime import workers

URN = "stackpile:environment:forked:v1"

KILLED = (
    "manifests.errors.DataError: a worker process was ended from outside (signal {}); where memory "
    "ran out, fewer workers need less (-- --direct_num_workers=N); the same command goes on from "
    "here"
)
"""What a job says; `runners.run` finds the sentence behind the name of its class."""

FAILED = (
    "manifests.errors.DataError: a worker process ended by itself (exit code {}), before its work "
    "was done; it prints why"
)
"""Likewise, of one that nobody killed."""


@Environment.register_urn(URN, None)
class Forked(Environment):
    """Workers that `workers.py` forks. Beam's own subprocesses import everything again, each."""

    @classmethod
    def default(cls) -> "Forked":
        """Return the environment of this program."""
        return cls(capabilities=python_sdk_capabilities())

    def to_runner_api_parameter(self, context: object) -> tuple[str, bytes]:
        """Return how the environment is written in a pipeline."""
        return URN, b""

    @staticmethod
    def from_runner_api_parameter(
        payload: bytes, capabilities: Any, artifacts: Any, hints: Any, context: object
    ) -> "Forked":
        """Read it back."""
        return Forked(capabilities, artifacts, hints)


@WorkerHandler.register_environment(URN, None)
class ForkedWorkerHandler(GrpcWorkerHandler):
    """One worker, as the engine sees it."""

    def __init__(self, payload: object, state: Any, provision_info: Any, server: Any) -> None:
        """Belong to an engine's gRPC server."""
        super().__init__(state, provision_info, server)
        self._ended = threading.Event()
        self._lost = ""
        self._push = self.control_conn.push
        self.control_conn.push = self._push_to_worker

    def start_worker(self) -> None:
        """Have it forked; it calls back by gRPC."""
        control = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        environment = {
            "WORKER_ID": self.worker_id,
            "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
            "PIPELINE_OPTIONS": json_format.MessageToJson(
                self.provision_info.provision_info.pipeline_options
            ),
        }
        workers.started().add(self.worker_id, environment, self._end)

    def stop_worker(self) -> None:
        """Wait for its end: the connection that it served is closed."""
        self._ended.wait()

    def _push_to_worker(self, request: Any) -> Any:
        """Give the worker an instruction; the engine does so, too, when one has ended idle."""
        future = self._push(request)
        if self._ended.is_set():
            self._fail_all()
        return future

    def _end(self, code: int) -> None:
        """Fail what is not answered, and what is asked from now on: Beam would wait for ever."""
        self._lost = KILLED.format(-code) if code < 0 else FAILED.format(code)
        # In this order: an instruction that comes meanwhile is failed here, or where it comes.
        self._ended.set()
        self._fail_all()

    def _fail_all(self) -> None:
        for instruction, future in list(self.control_conn._futures_by_id.items()):
            future.set(
                beam_fn_api_pb2.InstructionResponse(instruction_id=instruction, error=self._lost)
            )
