"""The most that each asset may weigh and take to import; slow tests measure both.

A handler's import is measured in a fresh process, from its own asset, without making a client, in processor
time, which other work on the same machine does not lengthen.
"""

from typing import NamedTuple

from infra.bundle import HEAVY_LOCK, LOCK


class Budget(NamedTuple):
    """``size`` in bytes, unzipped (Lambda takes 250 MB); ``milliseconds`` for the import of one handler."""

    size: int
    milliseconds: int


CORE = LOCK.stem
BUDGETS: dict[str, Budget] = {
    CORE: Budget(16_000_000, 250),
    HEAVY_LOCK.stem: Budget(85_000_000, 250),
    "reward-combine": Budget(80_000_000, 900),
    "reward-json_schema": Budget(17_000_000, 250),
    "reward-math_answer": Budget(55_000_000, 900),
    "reward-text_similarity": Budget(15_000_000, 250),
}
"""By the name of the asset's lock. The data check carries DuckDB, and mathematics carries SymPy."""
