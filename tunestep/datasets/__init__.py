"""Data sets: every bad row found before the run.

``check(sources.local(path), technique="SFT", family="open-weights")`` reads JSON Lines, JSON, CSV and
Parquet, from disk or S3, and answers with a ``DatasetReport``.
"""

from tunestep.datasets.blocks import Unreadable
from tunestep.datasets.checker import check
from tunestep.datasets.report import DatasetReport
from tunestep.datasets.sampling import RowSample
from tunestep.datasets.sources import Source, in_s3, local

__all__ = ["DatasetReport", "RowSample", "Source", "Unreadable", "check", "in_s3", "local"]
