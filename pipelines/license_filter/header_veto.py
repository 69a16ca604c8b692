"""The header veto over the rows of a part."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.licenses.policy import Finding, Policy
from filters.scancode import veto
from filters.scancode.client import Detector
from filters.scancode.detector import detector_version
from filters.scancode.server import GIVEN_UP


class Headers(NamedTuple):
    """What the texts of a part say of their own licenses.

    Attributes:
        findings: row -> its denial.
        details: row -> the evidence of it, or that it was given up.
        counts: what was looked at. Nothing here depends on what a cache knew before: the same
            inputs give the same receipts.
    """

    findings: Mapping[int, Finding]
    details: Mapping[int, str]
    counts: dict[str, int | dict[str, int]]


NOTHING = Headers({}, {}, {})


def read_headers(
    texts: Any, wanted: npt.NDArray[np.bool_], policy: Policy, detector: Detector
) -> Headers:
    """Read the headers of the wanted texts, and judge them.

    Args:
        texts: Arrow large_string array, n of them.
        wanted: bool [n], the rows whose headers are read.
        policy: by which licenses are judged.
        detector: this machine's.
    """
    read = texts if wanted.all() else pc.if_else(pa.array(wanted), texts, "")
    stated = veto.statements(read)
    asked = veto.distinct_texts(stated)
    found = dict(zip(asked, detector.detect(asked).found, strict=True))
    denied = veto.denials(stated, found.get, policy)
    slow = [row for row, said in stated.items() if veto.timed_out(said, found.get)]
    details = {row: GIVEN_UP for row in slow} | {row: each.detail for row, each in denied.items()}
    counts = {
        "documents": len(stated),
        "texts": len(asked),
        "denied": len(denied),
        "timed_out": len(slow),
    }
    findings = {row: each.finding for row, each in denied.items()}
    return Headers(findings, details, {"headers": counts})


def identity() -> list[object]:
    """Return what a part's header verdicts depend on, besides its texts and its policy."""
    return [detector_version(), veto.RULES]
