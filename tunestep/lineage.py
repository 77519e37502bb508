"""Which run made a model package, and from what: one item per package in the runs table.

``PACKAGE#<arn>`` / ``PACKAGE`` is written when a run's results are collected, so that a chain of packages is
followed by reading one item after the other.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tunestep.record_model import Ancestor
from tunestep.runs import Item, Runs

PACKAGE = "PACKAGE"

LONGEST_CHAIN = 50
"""Packages that are followed; a chain that leads back to itself ends earlier."""


def package_pk(arn: str) -> str:
    return f"PACKAGE#{arn}"


def remember(runs: Runs, made: Ancestor, source_package_arn: str) -> None:
    """Write down which run made a package; what another run wrote stays."""
    item = {
        **msgspec.to_builtins(made),
        "pk": package_pk(made.package_arn),
        "sk": PACKAGE,
        "source_model_package_arn": source_package_arn,
    }
    runs.put(
        item,
        condition="attribute_not_exists(#pk) OR #run_id = :mine",
        values={":mine": made.run_id},
    )


def ancestor(arn: str, item: Mapping[str, Any] | None) -> Ancestor:
    """A package's item as an ancestor; one without an item has nothing but its ARN."""
    if item is None:
        return Ancestor(package_arn=arn)
    return msgspec.convert({**item, "package_arn": arn}, Ancestor)


def chain(runs: Runs, arn: str) -> list[Ancestor]:
    """The package and those it goes back to, the nearest first; empty for an empty ARN."""
    found: list[Ancestor] = []
    seen: set[str] = set()
    while arn and arn not in seen and len(found) < LONGEST_CHAIN:
        seen.add(arn)
        item: Item | None = runs.get(package_pk(arn), PACKAGE)
        found.append(ancestor(arn, item))
        arn = str((item or {}).get("source_model_package_arn", ""))
    return found
