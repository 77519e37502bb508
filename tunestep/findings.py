"""Findings: what a check has to say, as data, so that nothing hides behind the first fault."""

from collections.abc import Iterable
from typing import Literal

import msgspec

Severity = Literal["error", "warning", "info"]
Kind = Literal["prerequisite", "budget", "reward"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One observation about a request or the account.

    ``where`` is a JSON path into the request (``$.hyperparameters.max_epochs``), an ARN or an S3 URI.
    ``fix`` says what to do next. ``kind`` decides the named error of a run that ends on it.
    """

    severity: Severity
    code: str
    where: str
    message: str
    fix: str = ""
    kind: Kind = "prerequisite"

    def line(self) -> str:
        """The finding on one line, as a terminal or an error cause shows it."""
        return f"{self.code} at {self.where}: {self.message}" + (f" {self.fix}" if self.fix else "")


def error(code: str, where: str, message: str, fix: str = "", kind: Kind = "prerequisite") -> Finding:
    return Finding(severity="error", code=code, where=where, message=message, fix=fix, kind=kind)


def warning(code: str, where: str, message: str, fix: str = "") -> Finding:
    return Finding(severity="warning", code=code, where=where, message=message, fix=fix)


def info(code: str, where: str, message: str, fix: str = "") -> Finding:
    return Finding(severity="info", code=code, where=where, message=message, fix=fix)


def errors_by_kind(findings: Iterable[Finding]) -> dict[str, int]:
    """Number of error findings per kind; every kind is present."""
    counts = {"prerequisite": 0, "budget": 0, "reward": 0}
    for finding in findings:
        if finding.severity == "error":
            counts[finding.kind] += 1
    return counts
