"""The check of a whole data set: every row of every file, within a deadline, into one report."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator

from tunestep.datasets import hashes
from tunestep.datasets.blocks import Unreadable, cuts
from tunestep.datasets.conclusions import FileFault, about_overlap, conclude
from tunestep.datasets.faults import Collector
from tunestep.datasets.pairing import Pairing
from tunestep.datasets.reading import Digest, OutOfTime, opened
from tunestep.datasets.report import ChannelReport, DatasetReport, Overlap
from tunestep.datasets.rows import RowChecker, memory_held
from tunestep.datasets.sampling import RowSample
from tunestep.datasets.sources import DataFile, Source
from tunestep.datasets.statistics import Statistics
from tunestep.findings import errors_by_kind
from tunestep.plan_model import Family, Technique

_MARKER = re.compile(r"(?:^|/)[._][^/]*$")
"""Names such as _SUCCESS."""


class _Channel:
    """One channel while it is read."""

    def __init__(
        self,
        source: Source,
        checker: RowChecker,
        hashing: bool,
        out_of_time: Callable[[], bool],
        processors: int | None,
    ) -> None:
        self.faults: list[FileFault] = []
        self.report = ChannelReport(label=source.label, files=len(source.files))
        self._source = source
        self._checker = checker
        self._pairing = Pairing(checker, processors=processors)
        self._hashing = hashing
        self._out_of_time = out_of_time
        self._digests: list[tuple[str, int]] = []

    def read(self) -> None:
        """Check file after file until the data or the time ends."""
        try:
            for number, file in enumerate(self._source.files, 1):
                if self._stopped():
                    break
                self._checker.open(number, file.name)
                self._read_file(number, file)
        finally:
            self._pairing.close()
        report = self.report
        report.rows, report.expanded = self._checker.rows, self._checker.expanded
        report.formats = sorted(self._checker.formats.values(), key=lambda entry: -entry.rows)
        if report.complete and self._hashing:
            report.content_sha256 = self._content_hash()

    def _stopped(self) -> bool:
        if self._out_of_time():
            self.report.out_of_time, self.report.complete = True, False
        return self.report.out_of_time

    def _read_file(self, number: int, file: DataFile) -> None:
        digest = Digest(self._hashing)
        before = self._checker.rows
        whole = False
        try:
            with opened(file, digest, self._stopped) as content:
                self.faults += [FileFault(note, number) for note in content.notes]
                whole = self._read_lines(content.pieces)
        except Unreadable as fault:
            self.faults.append(FileFault(fault.code, number, str(fault)))
        except OutOfTime:
            pass
        finally:
            self._digests.append((digest.close(), digest.size))
        if whole and self._checker.rows == before:
            marker = len(self._source.files) > 1 and not digest.size and _MARKER.search(file.name)
            self.faults.append(FileFault("FILE_IS_MARKER" if marker else "FILE_EMPTY", number))
        self.report.bytes += digest.size
        self.report.files_read += whole
        self.report.complete = self.report.complete and whole

    def _read_lines(self, pieces: Iterator[bytes]) -> bool:
        try:
            for cut in cuts(pieces):
                if self._stopped():
                    return False
                self._pairing.check(cut)
        finally:
            self._pairing.settle()
        return True

    def _content_hash(self) -> str:
        if len(self._digests) == 1:
            return self._digests[0][0]
        listing = "".join(f"{digest} {size}\n" for digest, size in self._digests)
        return hashlib.sha256(listing.encode()).hexdigest()

    def describe(self, statistics: Statistics) -> None:
        """Put what was counted into the report."""
        report = self.report
        report.lengths, report.bias = statistics.lengths(), statistics.bias()
        report.largest_source = statistics.largest_source(report.rows)
        found, examples = hashes.duplicates(statistics.hashes)
        report.sampled = statistics.hashes.step
        report.duplicates = found * report.sampled
        report.duplicate_rows = [
            index + 1 for index in hashes.rows_with(statistics.hashes, examples, skip_first=True)
        ]


def _overlap(training: Statistics, validation: Statistics) -> Overlap:
    count, examples = hashes.overlap(training.hashes, validation.hashes)
    step = validation.hashes.step
    rows = hashes.rows_with(validation.hashes, examples, skip_first=False)
    return Overlap(count=count * step, rows=[index + 1 for index in rows], sampled=step)


def check(
    source: Source,
    *,
    technique: Technique,
    family: Family,
    model: str = "",
    sequence_length_tokens: int = 0,
    validation: Source | None = None,
    deadline_seconds: float | None = None,
    strict: bool = False,
    statistics: bool = True,
    findings_sink: Callable[[bytes], object] | None = None,
    sample: RowSample | None = None,
    clock: Callable[[], float] = time.monotonic,
    processors: int | None = None,
) -> DatasetReport:
    """Check every row of a data set.

    ``model`` is a name of the model, for the row counts the service is known to enforce. Beyond
    ``deadline_seconds`` the check stops and says how far it got: a warning, or with ``strict`` an error.
    Without ``statistics`` only faults are looked for. With more than one of ``processors`` (None: those this
    process may use) a second process helps with what is large. ``findings_sink`` takes the findings file:
    JSON lines, one per fault, with file names and quotes, which are nowhere else. ``sample`` is filled with
    rows of ``source``. Raises nothing about data; TransientFault when S3 cannot be read for now.
    """
    began = clock()

    def out_of_time() -> bool:
        return deadline_seconds is not None and clock() - began > deadline_seconds

    channels: list[_Channel] = []
    counted: list[Statistics] = []
    faults = written = 0
    for entry in filter(None, (source, validation)):
        collector = Collector(findings_sink)
        numbers = Statistics(sequence_length_tokens)
        wanted = sample if entry is source else None
        checker = RowChecker(technique, family, collector, numbers if statistics else None, wanted)
        channel = _Channel(entry, checker, statistics, out_of_time, processors)
        with memory_held():
            channel.read()
        channel.report.groups = collector.groups()
        channel.report.rows_bad = collector.rows["error"]
        channel.report.rows_warned = collector.rows["warning"]
        if statistics:
            channel.describe(numbers)
        channels.append(channel)
        counted.append(numbers)
        faults, written = faults + collector.total, written + collector.written
    findings = [
        finding
        for channel in channels
        for finding in conclude(
            channel.report, channel.faults, technique=technique, family=family, model=model, strict=strict
        )
    ]
    overlap = _overlap(*counted) if statistics and validation else None
    if overlap and validation:
        findings += about_overlap(validation.label, overlap)
    return DatasetReport(
        ok=not any(errors_by_kind(findings).values()),
        technique=technique,
        family=family,
        findings=findings,
        training=channels[0].report,
        validation=channels[1].report if validation else None,
        overlap=overlap,
        seconds=round(clock() - began, 3),
        faults=faults,
        faults_written=written,
    )
