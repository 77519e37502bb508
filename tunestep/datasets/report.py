"""The data set report: what was read, what is wrong with it, and what it is like."""

from typing import Any

import msgspec

from tunestep.datasets.faults import Group
from tunestep.datasets.lengths import LengthReport
from tunestep.datasets.statistics import BiasReport
from tunestep.findings import Finding


class FormatCount(msgspec.Struct, frozen=True):
    """Rows of one format and the first of them (file and line, both from 1)."""

    format: str
    rows: int
    file: int
    line: int


class ChannelReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One channel. ``bytes`` are those stored, ``expanded`` those of the rows after decompression.

    ``complete`` is false when the check did not get to the end; ``content_sha256`` is then empty. For one
    file it is that of the file, for several that of the lines ``<sha256> <size>`` in the files' order.
    ``duplicates`` are rows that repeat an earlier one byte for byte, -1 where they were not looked for;
    they are estimated when ``sampled`` (one hash in how many was kept) is above 1.
    """

    label: str
    files: int
    files_read: int = 0
    rows: int = 0
    rows_bad: int = 0
    rows_warned: int = 0
    bytes: int = 0
    expanded: int = 0
    complete: bool = True
    out_of_time: bool = False
    content_sha256: str = ""
    formats: list[FormatCount] = []
    groups: list[Group] = []
    lengths: LengthReport | None = None
    bias: BiasReport | None = None
    largest_source: float = 0.0
    duplicates: int = -1
    duplicate_rows: list[int] = []
    sampled: int = 1


class Overlap(msgspec.Struct, kw_only=True, frozen=True):
    """Validation rows that are training rows too, byte for byte; ``rows`` are some of them, from 1."""

    count: int
    rows: list[int]
    sampled: int = 1


class DatasetReport(msgspec.Struct, kw_only=True):
    """Everything the check has to say; holds no content of the data. ``faults_written`` may stop short of
    ``faults``: the findings file takes 200,000."""

    ok: bool
    technique: str
    family: str
    findings: list[Finding]
    training: ChannelReport
    validation: ChannelReport | None = None
    overlap: Overlap | None = None
    seconds: float = 0.0
    faults: int = 0
    faults_written: int = 0

    @property
    def rows(self) -> int:
        return self.training.rows + (self.validation.rows if self.validation else 0)

    def to_document(self) -> dict[str, Any]:
        """The report as JSON-able data."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document
