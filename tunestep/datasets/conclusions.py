"""From counts to findings: what a person should read first, with places and rules and no content."""

from collections.abc import Iterable
from typing import NamedTuple

from tunestep.datasets.faults import Group
from tunestep.datasets.formats import FORMATS, expected
from tunestep.datasets.report import ChannelReport, Overlap
from tunestep.findings import Finding, error, info, warning
from tunestep.plan_model import Family, Technique

MINIMUM_ROWS = (("nova-2-lite", 32), ("nova-textgeneration-lite-v2", 32))
"""Least rows by a part of the model's name, where a refusal of the service is known to name it."""

_LISTED = 20
_SHARE_CUT = 0.01
_BIAS = 2.0
_FEWEST_PAIRS = 50


class FileFault(NamedTuple):
    """Something about a file as a whole; ``file`` counts from 1, 0 stands for the whole channel."""

    code: str
    file: int
    message: str = ""


_FILE_FAULTS: dict[str, tuple[str, str, str]] = {
    "FILE_EMPTY": ("error", "It holds no row.", "Remove it or upload it again."),
    "FILE_NOT_UTF8": ("error", "", "Save it as UTF-8."),
    "FILE_IS_MARKER": (
        "warning",
        "It is empty and its name begins with _ or ., as markers do that other programs leave. Nothing "
        "published says that the service passes it over.",
        "Remove it, or name the files' own folder.",
    ),
    "GZIP_UNCONFIRMED": (
        "warning",
        "It is gzip. Its rows were checked, but nothing published says that the service reads gzip.",
        "Upload it uncompressed.",
    ),
    "FILE_TYPE_UNKNOWN": (
        "warning",
        "Its name ends with none of .jsonl, .json, .csv and .parquet; it was read as JSON Lines.",
        "Give it the ending of its type.",
    ),
    "GZIP_BROKEN": ("error", "", "Compress and upload it again."),
    "EXPANDS_TOO_FAR": ("error", "", "Upload the rows uncompressed, as JSON Lines."),
    "PARQUET_BROKEN": ("error", "", "Write the file again."),
    "PARQUET_MEMORY": ("warning", "", "Write smaller row groups, or JSON Lines, to have the rows checked."),
    "ROWS_NOT_CHECKED": ("warning", "", "Use JSON Lines to have the rows checked."),
    "COLUMNS_TOO_MANY": ("error", "", "Keep the columns that the format names."),
    "CSV_BROKEN": ("error", "", "Write it with a header and quotes around cells that need them."),
    "JSON_BROKEN": ("error", "", "Write one array of objects, or one object per line in a .jsonl file."),
    "ROW_TOO_LONG": ("error", "", "Split the row; a quote may be missing."),
    "DATA_NOT_FOUND": ("error", "", "Correct the place or upload the data."),
    "DATA_UNREADABLE": ("error", "", "Allow it to be read, or upload it again."),
    "DATA_TOO_MANY_FILES": ("error", "", "Put the rows into fewer files."),
    "DATA_CHANGED": ("error", "", "Start again, so that the new data is planned."),
}
_INCOMPLETE = frozenset(("PARQUET_MEMORY", "ROWS_NOT_CHECKED"))


def conclude(
    channel: ChannelReport,
    faults: Iterable[FileFault],
    *,
    technique: Technique,
    family: Family,
    model: str,
    strict: bool,
) -> list[Finding]:
    """The findings about one channel, errors first."""
    by_code: dict[str, list[FileFault]] = {}
    for fault in faults:
        by_code.setdefault(fault.code, []).append(fault)
    said = [_about_files(channel, alike, strict) for alike in by_code.values()]
    said += [_about_group(channel, group, technique, family) for group in channel.groups]
    said += _about_formats(channel)
    said += _about_rows(channel, model)
    said += _about_lengths(channel)
    said += _about_end(channel, strict)
    return sorted(said, key=lambda finding: ("error", "warning", "info").index(finding.severity))


def _about_files(channel: ChannelReport, faults: list[FileFault], strict: bool) -> Finding:
    """One finding for all files with the same fault; what is said of the first stands for the others."""
    first, *others = faults
    severity, message, fix = _FILE_FAULTS[first.code]
    message = first.message or message
    if others:
        numbers = ", ".join(str(fault.file) for fault in others[:_LISTED])
        more = " and more" if len(others) > _LISTED else ""
        message += f" The same goes for {len(others)} other files: {numbers}{more}."
    blocks = severity == "error" or (strict and first.code in _INCOMPLETE)
    return (error if blocks else warning)(first.code, _place(channel, first.file), message, fix)


def _place(channel: ChannelReport, file: int, line: int = 0) -> str:
    """File names below a prefix are the user's text, so files go by their number."""
    where = channel.label
    if channel.files > 1 and file:
        where += f" file {file} of {channel.files}"
    return where + (f" line {line}" if line else "")


def _about_group(channel: ChannelReport, group: Group, technique: Technique, family: Family) -> Finding:
    first = group.first[0]
    rows = "1 row" if group.count == 1 else f"{group.count} rows"
    message = f"{rows}: {group.path} should be {group.should}; found {group.found}.{_lines(channel, group)}"
    fix = "Correct the rows; the findings file lists all of them."
    if group.rule == "FORMAT_UNKNOWN":
        message = f"{rows} in no known format; {_taken(technique, family)}.{_lines(channel, group)}"
        fix = "Give the rows these fields, by these names."
    if group.rule == "FORMAT_OTHER":
        message, fix = _other_format(group, rows, technique, family)
        message += _lines(channel, group)
    make = error if group.severity == "error" else warning
    return make(group.rule, _place(channel, first.file, first.line), message, fix)


def _lines(channel: ChannelReport, group: Group) -> str:
    if group.count == 1:
        return ""
    several = channel.files > 1
    places = [f"{place.file}:{place.line}" if several else str(place.line) for place in group.first[:_LISTED]]
    more = " and more" if group.count > len(places) else ""
    return f" {'File:line' if several else 'Lines'} {', '.join(places)}{more}."


def _other_format(group: Group, rows: str, technique: Technique, family: Family) -> tuple[str, str]:
    found = FORMATS[group.detail]
    wanted = [FORMATS[name] for name in expected(technique, family)]
    message = (
        f"{rows} in the format of {found.title}, which is for {found.purpose}; {_taken(technique, family)}."
    )
    reachable = [entry.name for entry in wanted if entry.name in found.convertible]
    if reachable:
        return message, f"Convert it: tunestep data convert FILE OUT --to {reachable[0]}."
    return (
        message,
        f"Choose the technique that the data is for ({', '.join(found.techniques)}), or other data.",
    )


def _taken(technique: Technique, family: Family) -> str:
    fields = ", or ".join(FORMATS[name].fields for name in expected(technique, family))
    return f"{technique} on {'Nova' if family == 'nova' else 'open-weights'} models takes rows with {fields}"


def _about_formats(channel: ChannelReport) -> list[Finding]:
    if len(channel.formats) < 2:
        return []
    parts = [
        f"{entry.rows} rows of {FORMATS[entry.format].title} (first at "
        f"{f'file {entry.file} ' if channel.files > 1 else ''}line {entry.line})"
        for entry in channel.formats
    ]
    return [
        error(
            "FORMATS_MIXED",
            channel.label,
            f"The rows mix formats: {', '.join(parts)}. The service goes by one of them.",
            "Bring all rows into one format with tunestep data convert.",
        )
    ]


def _about_rows(channel: ChannelReport, model: str) -> list[Finding]:
    if not channel.complete:
        return []
    if not channel.rows:
        return [error("DATA_EMPTY", channel.label, "There is no row in it.", "Upload the data again.")]
    least = next((rows for part, rows in MINIMUM_ROWS if part in model.lower()), 0)
    if channel.rows < least:
        return [
            error(
                "TOO_FEW_ROWS",
                channel.label,
                f"It has {channel.rows} rows; the service refuses fewer than {least} for this model.",
                "Add rows.",
            )
        ]
    return []


def _about_lengths(channel: ChannelReport) -> list[Finding]:
    said = []
    lengths, bias = channel.lengths, channel.bias
    if lengths and lengths.cut:
        share = lengths.cut / max(channel.rows, 1)
        make = warning if share >= _SHARE_CUT else info
        said.append(
            make(
                "ROWS_CUT",
                channel.label,
                f"{lengths.cut} rows ({share:.1%}) are longer than the recipe's {lengths.sequence_length} "
                f"tokens ({lengths.how}).",
                "Choose a longer sequence_length, or shorten the rows.",
            )
        )
    if channel.duplicates > 0:
        said.append(
            warning(
                "ROWS_DUPLICATE",
                channel.label,
                f"{channel.duplicates} rows repeat an earlier row byte for byte{_sampled(channel.sampled)}."
                + (f" Rows {', '.join(map(str, channel.duplicate_rows))}." if channel.duplicate_rows else ""),
                "Keep one of each, unless they are repeated on purpose.",
            )
        )
    if bias and bias.pairs >= _FEWEST_PAIRS and not 1 / _BIAS <= bias.ratio <= _BIAS:
        said.append(
            warning(
                "LENGTH_BIAS",
                channel.label,
                f"Chosen answers are {bias.ratio} times as long as rejected ones, and longer in "
                f"{bias.chosen_longer:.0%} of {bias.pairs} pairs; the model may learn the length.",
                "Balance the lengths, or accept it knowingly.",
            )
        )
    return said


def _sampled(step: int) -> str:
    return "" if step == 1 else f" (estimated from one row in {step})"


def _about_end(channel: ChannelReport, strict: bool) -> list[Finding]:
    if not channel.out_of_time:
        return []
    make = error if strict else warning
    return [
        make(
            "DEADLINE",
            channel.label,
            f"The check ran out of time after {channel.rows} rows and {channel.bytes} bytes: "
            f"{channel.files_read} of {channel.files} files were read to their end.",
            "What was checked counts; check the rest with tunestep data check.",
        )
    ]


def about_overlap(label: str, overlap: Overlap) -> list[Finding]:
    """The finding about validation rows that are trained on."""
    if not overlap.count:
        return []
    return [
        warning(
            "VALIDATION_OVERLAP",
            label,
            f"{overlap.count} validation rows are training rows too, byte for byte"
            f"{_sampled(overlap.sampled)}."
            + (f" Rows {', '.join(map(str, overlap.rows))}." if overlap.rows else ""),
            "Take them out of one of the two; the validation loss says nothing about them.",
        )
    ]
