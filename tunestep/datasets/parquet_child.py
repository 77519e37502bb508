"""Reads one Parquet file in a process of its own and writes its rows to standard output as JSON lines.

DuckDB does the reading: of the libraries made for it, it is the smallest (66 MB installed; pyarrow and
polars take 166 and 175), it can be told how much memory to use, and it writes rows as JSON itself. It is
kept from files, network and extensions by limits that are set before it is loaded.
"""

import resource
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

ABSENT, BROKEN, MEMORY, COLUMNS = 3, 4, 5, 6
"""Exit codes, read by ``tunestep.datasets.parquet_files``."""

MAX_COLUMNS = 1000
MEMORY_LIMIT = "160MB"
_ADDRESS_SPACE = 2 * 1024**3
_SECONDS = 780
_ROWS = 64
_FROM = "FROM read_parquet(?, hive_partitioning = false)"


def _limit() -> None:
    """The allocator reserves more than it uses, so the address space is the outer bound, not the first."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _columns(connection: "duckdb.DuckDBPyConnection", path: str) -> str:
    """All columns; a number that is none, or infinite, reads as null, for JSON has no word for it."""
    described = connection.execute(f"DESCRIBE SELECT * {_FROM}", [path]).fetchall()
    names = ['"' + row[0].replace('"', '""') + '"' for row in described if row[1] in ("FLOAT", "DOUBLE")]
    finite = ", ".join(f"CASE WHEN isfinite({name}) THEN {name} END AS {name}" for name in names)
    return f"* REPLACE ({finite})" if finite else "*"


def main(path: str) -> int:
    """Write the rows; the exit code says how it ended."""
    _limit()
    try:
        import duckdb  # noqa: PLC0415 - loaded under the limits, and only here
    except ImportError:
        return ABSENT
    try:
        connection = duckdb.connect(
            config={
                "threads": 1,
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": "",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
            }
        )
        columns = connection.execute("SELECT count(*) FROM parquet_schema(?)", [path]).fetchone()
        if columns is None or columns[0] > MAX_COLUMNS:
            return COLUMNS
        rows = f"SELECT {_columns(connection, path)} {_FROM}"
        connection.execute(f"SELECT to_json(r) FROM ({rows}) r", [path])  # noqa: S608 - the names are quoted
        while found := connection.fetchmany(_ROWS):
            sys.stdout.buffer.write(b"".join([row[0].encode() + b"\n" for row in found]))
        sys.stdout.buffer.flush()
    except (duckdb.OutOfMemoryException, MemoryError):
        return MEMORY
    except (duckdb.Error, UnicodeError):
        return BROKEN
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
