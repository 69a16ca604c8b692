"""License policies: the licenses that are allowed for training, and the verdict of all layers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field

from filters.licenses.list_versions import check_version, newest
from filters.licenses.spdx import (
    Judgment,
    combine,
    evaluate,
    is_license,
    joined,
    parse,
    permissive_beyond,
    reference,
    written,
)
from manifests.config import Config, load_config, shipped
from manifests.errors import UsageError
from manifests.io.digest import digest

Layer = Literal["header", "repository", "source"]
Missing = Literal["accept", "reject"]

POLICIES = Path(__file__).parent / "policies"


class PolicyFile(Config):
    """The TOML file of a policy."""

    name: str
    """Name of the policy in reports."""
    version: int = Field(ge=1)
    """Version of the file; raised with every change."""
    origin: str
    """Source of the list, in a sentence."""
    require: Literal["all", "any"]
    """Whether all licenses of a document must be allowed, or any of them."""
    spdx_list_version: Annotated[str, AfterValidator(check_version)] = newest()
    """Version of the SPDX license list that the policy was written against, "3.12". A permissive
    license that SPDX added later does not reject a file that names the license in its header. By
    default the newest version that Stackpile knows. Ours: every license that the policy leaves out
    rejects."""
    licenses: list[str] = Field(min_length=1)
    """SPDX ids, or `ID WITH EXCEPTION`."""


class Judged(NamedTuple):
    """A policy's judgment of a document's licenses, and the SPDX expression that it judged."""

    judgment: Judgment
    expression: str | None


class Finding(NamedTuple):
    """The judgment of a document by one layer."""

    layer: Layer
    judgment: Judgment
    expression: str | None = None


class Verdict(NamedTuple):
    """The verdict on a document: rule and layer that decided; rule is None for a kept document."""

    kept: bool
    rule: str | None
    layer: Layer
    expression: str | None


class LicenseVerdicts(NamedTuple):
    """Verdicts of n documents.

    Attributes:
        kept: bool [n].
        rule: object [n], "license_denied", "license_unknown", or None for a kept document.
        expression: object [n], SPDX expression of the layer that decided; None without a license.
        layer: object [n], layer that decided: "header", "repository", or "source" for the source's
            `missing` rule.
    """

    kept: npt.NDArray[np.bool_]
    rule: npt.NDArray[np.object_]
    expression: npt.NDArray[np.object_]
    layer: npt.NDArray[np.object_]


def verdict(layers: Iterable[Finding], missing: Missing) -> Verdict:
    """Decide a document from the findings of its layers.

    A document is rejected if any layer denies. A document is kept if the repository or the source
    allows and no layer denies. Otherwise the source's `missing` rule decides. A header can only
    deny.
    """
    findings = list(layers)
    for finding in findings:
        if finding.judgment == "deny":
            return Verdict(False, "license_denied", finding.layer, finding.expression)
    for finding in findings:
        if finding.judgment == "allow" and finding.layer != "header":
            return Verdict(True, None, finding.layer, finding.expression)
    expression = next((finding.expression for finding in findings if finding.expression), None)
    if missing == "accept":
        return Verdict(True, None, "source", expression)
    return Verdict(False, "license_unknown", "source", expression)


@dataclass(frozen=True)
class Policy:
    """A named, versioned list of licenses that are allowed for training.

    Attributes:
        name: name of the policy.
        version: version of its file.
        require: whether all licenses of a document must be allowed, or any of them.
        allowed: canonical SPDX ids and `ID WITH EXCEPTION` pairs.
        spdx_list_version: version of the SPDX license list that the policy was written against.
        digest: SHA-256 of all other fields: 64 hexadecimal characters.
    """

    name: str
    version: int
    require: Literal["all", "any"]
    allowed: frozenset[str]
    spdx_list_version: str
    digest: str

    def judge(self, licenses: Any) -> Judged:
        """Judge the licenses that a data set gives for a document.

        Args:
            licenses: a list of SPDX ids or expressions, in which nulls are skipped; None; one
                string; or BigQuery's {"list": [{"item": ...}, ...]}.

        Returns:
            the judgment and the expression. The judgment is "unknown" for no license, NOASSERTION,
            an id that is neither SPDX's nor ScanCode's, and text that is not an expression. For an
            unknown x, `MIT OR x` is allowed and `MIT AND x` is unknown.
        """
        return _judge(self, license_strings(licenses))

    def judge_header(self, expression: str) -> Judged:
        """Judge an expression of a file's own header, in SPDX's or ScanCode's ids.

        The expression is judged as by `judge`, with one exception: a policy cannot list the ids
        that ScanCode alone defines or that SPDX added after the policy's list version. Such an
        id is denied only if ScanCode calls it neither permissive nor public domain.
        """
        return _judge_header(self, expression)


def load_policy(name: str) -> Policy:
    """Return a policy that ships with Stackpile, by name, or a policy of a TOML file, by path.

    Raises:
        UsageError: the policy does not exist, its file has faults, or it lists an unknown license.
    """
    name = shipped(POLICIES, name, "license policy")
    file = load_config(name, PolicyFile)
    trees = {text: parse(text) for text in file.licenses}
    unknown = [text for text, tree in trees.items() if not is_license(tree)]
    if unknown:
        raise UsageError(f"{name}: licenses: not an SPDX id: {', '.join(map(repr, unknown))}")
    allowed = sorted({written(tree) for tree in trees.values()})
    content = file.model_dump(include={"name", "version", "require", "spdx_list_version"})
    return Policy(
        **content, allowed=frozenset(allowed), digest=digest({**content, "allowed": allowed})
    )


def judge_licenses(
    policy: Policy,
    licenses: Any,
    missing: Missing,
    others: Mapping[int, Sequence[Finding]] = MappingProxyType({}),
) -> LicenseVerdicts:
    """Judge n documents by the licenses of their repositories and by other layers.

    Args:
        policy: judges the licenses.
        licenses: n values as in `Policy.judge`, in a sequence or an Arrow array.
        missing: verdict on documents that no layer allows or denies.
        others: row -> findings of other layers, the header first.
    """
    rows = licenses.to_pylist() if hasattr(licenses, "to_pylist") else licenses
    verdicts = [
        _verdict(policy, license_strings(row), missing, tuple(others.get(number, ())))
        for number, row in enumerate(rows)
    ]
    kept, rule, layer, expression = np.array(verdicts, object).reshape(-1, 4).T
    return LicenseVerdicts(kept.astype(bool), rule, expression, layer)


def license_strings(licenses: Any) -> tuple[str, ...]:
    """Return the license strings of a document, from any form that data sets use."""
    if isinstance(licenses, dict):
        licenses = licenses.get("list", licenses.get("item", licenses.get("element")))
    if isinstance(licenses, str):
        return (licenses,)
    if isinstance(licenses, Sequence | np.ndarray):
        return tuple(text for item in licenses for text in license_strings(item))
    return ()


@lru_cache(maxsize=1 << 16)
def _verdict(
    policy: Policy, licenses: tuple[str, ...], missing: Missing, others: tuple[Finding, ...]
) -> Verdict:
    repository = Finding("repository", *_judge(policy, licenses))
    return verdict([*others, repository], missing)


@lru_cache(maxsize=1 << 16)
def _judge_header(policy: Policy, expression: str) -> Judged:
    tree = parse(expression)
    if tree is None:
        return Judged("unknown", None)
    undecided = permissive_beyond(policy.spdx_list_version)
    return Judged(evaluate(tree, policy.allowed, undecided), written(tree))


@lru_cache(maxsize=1 << 16)
def _judge(policy: Policy, licenses: tuple[str, ...]) -> Judged:
    # Repositories repeat licenses; a dict drops repetitions and keeps the order.
    texts = [text for text in dict.fromkeys(map(str.strip, licenses)) if text]
    if not texts:
        return Judged("unknown", None)
    trees = [parse(text) for text in texts]
    judgments = ["unknown" if tree is None else evaluate(tree, policy.allowed) for tree in trees]
    expressions = [
        reference(text) if tree is None else written(tree)
        for text, tree in zip(texts, trees, strict=True)
    ]
    operator = "AND" if policy.require == "all" else "OR"
    return Judged(combine(operator, judgments), joined(operator, expressions))
