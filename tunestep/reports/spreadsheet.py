"""Metric histories as CSV, a line per value, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tunestep import metric_series
from tunestep.metrics import Point

COLUMNS = ("metric", "step", "value", "time")

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe goes before what would start one."""
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text


def table(series: Mapping[str, Sequence[Point]]) -> str:
    """The CSV file (RFC 4180). Values are numbers, or the texts NaN, Infinity and '-Infinity."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for name, points in series.items():
        shown = cell(name)
        for point in points:
            value = metric_series.number(point.value)
            writer.writerow(
                (shown, point.step, cell(value) if isinstance(value, str) else value, _time(point.timestamp))
            )
    return out.getvalue()


def _time(milliseconds: int) -> str:
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OSError, OverflowError, ValueError):
        return ""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
