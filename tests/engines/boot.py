"""Boot program of Beam's PROCESS environment: a worker that sees only the disk of its machine.

Two Spark workers on one computer become two machines: each has HOME, TMPDIR and the directory
SHARED_PATH, if that is set, to itself (a mount namespace with a bind mount, which needs root).
"""

import argparse
import os
import sys
from pathlib import Path


def main() -> None:
    """Move into the machine, then run a worker of Beam's SDK."""
    machine = Path(os.environ["ENGINES_DIRECTORY"], os.environ["MACHINE"])
    if os.environ.get("SHARED_PATH") and "INSIDE" not in os.environ:
        for name in ("disk", "home", "tmp"):
            (machine / name).mkdir(parents=True, exist_ok=True)
        os.environ |= {"INSIDE": "1", "HOME": f"{machine}/home", "TMPDIR": f"{machine}/tmp"}
        mount = f'mount --bind {machine}/disk "$SHARED_PATH" && exec "$@"'
        this = [sys.executable, "-m", "tests.engines.boot", *sys.argv[1:]]
        os.execvp("unshare", ["unshare", "-m", "sh", "-c", mount, "sh", *this])
    run_worker()


def run_worker() -> None:
    """Ask the runner for the endpoints and the options, and run a worker."""
    import grpc
    from apache_beam.portability.api import (
        beam_provision_api_pb2,
        beam_provision_api_pb2_grpc,
        endpoints_pb2,
    )
    from apache_beam.runners.worker import sdk_worker_main
    from apache_beam.runners.worker.worker_id_interceptor import WorkerIdInterceptor
    from google.protobuf import json_format, text_format

    parser = argparse.ArgumentParser()
    for name in ("id", "provision_endpoint", "control_endpoint", "logging_endpoint"):
        parser.add_argument(f"--{name}")
    given, _ = parser.parse_known_args()
    channel = grpc.intercept_channel(
        grpc.insecure_channel(given.provision_endpoint), WorkerIdInterceptor(given.id)
    )
    service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
    info = service.GetProvisionInfo(beam_provision_api_pb2.GetProvisionInfoRequest()).info

    def descriptor(endpoint: endpoints_pb2.ApiServiceDescriptor, otherwise: str) -> str:
        given = endpoint if endpoint.url else endpoints_pb2.ApiServiceDescriptor(url=otherwise)
        return str(text_format.MessageToString(given))

    os.environ |= {
        "WORKER_ID": given.id,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "CONTROL_API_SERVICE_DESCRIPTOR": descriptor(info.control_endpoint, given.control_endpoint),
        "LOGGING_API_SERVICE_DESCRIPTOR": descriptor(info.logging_endpoint, given.logging_endpoint),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }
    sdk_worker_main.main([])


if __name__ == "__main__":
    main()
