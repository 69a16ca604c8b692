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
from manifests.lineage.receipts import Counts


class Headers(NamedTuple):
    """The licenses that the texts of a part state in their headers.

    Attributes:
        findings: row -> the finding that denies it.
        details: row -> evidence of the denial, or GIVEN_UP if the detector timed out.
        counts: counts for the receipt. They do not depend on the content of a cache, so the same
            inputs give the same receipts.
    """

    findings: Mapping[int, Finding]
    details: Mapping[int, str]
    counts: Counts


NO_HEADERS = Headers({}, {}, {})


def read_headers(
    texts: Any, wanted: npt.NDArray[np.bool_], policy: Policy, detector: Detector
) -> Headers:
    """Return the findings in the headers of the wanted texts.

    Args:
        texts: Arrow large_string array, n of them.
        wanted: bool [n]; rows whose headers are read.
        policy: decides which licenses are denied.
        detector: client of the detector of this machine.
    """
    read = texts if wanted.all() else pc.if_else(pa.array(wanted), texts, "")
    stated = veto.statements(read)
    distinct = veto.distinct_texts(stated)
    detected = dict(zip(distinct, detector.detect(distinct).found, strict=True))
    denials = veto.denials(stated, detected.get, policy)
    slow = [row for row, statement in stated.items() if veto.timed_out(statement, detected.get)]
    details = {row: GIVEN_UP for row in slow}
    details |= {row: denial.detail for row, denial in denials.items()}
    counts = {
        "documents": len(stated),
        "texts": len(distinct),
        "denied": len(denials),
        "timed_out": len(slow),
    }
    findings = {row: denial.finding for row, denial in denials.items()}
    return Headers(findings, details, {"headers": counts})


def identity() -> list[object]:
    """Return the versions that findings depend on, besides the texts and the policy."""
    return [detector_version(), veto.RULES]
