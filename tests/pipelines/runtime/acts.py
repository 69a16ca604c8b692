"""A step that the tests of worker processes share; its module imports little."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.errors import DataError
from manifests.lineage.receipts import Receipt, save_receipt
from pipelines.runtime.step import Step


@dataclass
class Act(Step[dict[str, Any]]):
    """A step whose rows say what their process does."""

    directory: str
    setup_act: str = ""

    def setup(self) -> None:
        if self.setup_act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)

    def receipts(self, row: dict[str, Any]) -> Iterator[str]:
        yield row["input"]

    def work(self, row: dict[str, Any]) -> None:
        about = [os.environ.get("OF_THIS_TEST"), os.getcwd()]
        Path(self.directory, f"{os.getpid()}.json").write_text(json.dumps(about))
        match row["act"]:
            case "raise":
                raise DataError("shard 7: is not whole")
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(3)
            case "block":
                # Endless, and it holds the GIL: no other thread of the process runs.
                re.match("(a+)+b", "a" * 60)
            case "wait":
                time.sleep(0.5)
        save_receipt(self.directory, Receipt(name=row["input"], step="act", digest="0"))


def rows(*acts: str) -> list[dict[str, Any]]:
    return [{"source": "s", "input": str(number), "act": act} for number, act in enumerate(acts)]
