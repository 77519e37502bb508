"""Keeps the replay at a start short: what was ever written to tables becomes the items that are left of it.

A run writes a few items many times, and moto takes some 5 ms for each; the items alone come back in a few
calls. Objects are all kept, since a bucket with versions never forgets one.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tunestep.local import moto_backend
from tunestep.local.journal import INLINE_BODY, Journal

ENOUGH = 50
"""So many calls have to go before it is worth writing the items anew."""

MOST_ITEMS = 25
"""What BatchWriteItem takes (its API reference)."""

_PREFIX = "DynamoDB_20120810."
_WRITES = tuple(
    _PREFIX + name
    for name in (
        "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems",
        "ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction",
    )
)  # fmt: skip
_BATCH = _PREFIX + "BatchWriteItem"


class _Item(NamedTuple):
    table: str
    text: str


def compact(journal: Journal, account: str, region: str) -> int:
    """Replace the kept writes of items by the items that moto holds; returns how many calls that saves.

    To be called after a replay, before anybody else can write. Does nothing where a table has a stream,
    which tells of every write.
    """
    tables = moto_backend.tables(account, region)
    written = journal.count(_WRITES, f"/{region}/dynamodb/")
    if written <= ENOUGH or any(table.stream_shard for table in tables):
        return 0
    bodies = [_body(items) for items in _batches(tables)]
    if written - len(bodies) < ENOUGH:
        return 0
    journal.replace(_WRITES, f"/{region}/dynamodb/", _BATCH, bodies)
    return written - len(bodies)


def _batches(tables: list[Any]) -> Iterator[list[_Item]]:
    """As many items as a call takes, and as fit into a body that needs no file of its own."""
    batch: list[_Item] = []
    size = 0
    for table in tables:
        for item in table.all_items():
            text = json.dumps(moto_backend.attributes(item), default=_binary)
            if batch and (len(batch) == MOST_ITEMS or size + len(text) > INLINE_BODY // 2):
                yield batch
                batch, size = [], 0
            batch.append(_Item(table.name, text))
            size += len(text)
    if batch:
        yield batch


def _body(items: list[_Item]) -> bytes:
    by_table: dict[str, list[str]] = {}
    for item in items:
        by_table.setdefault(item.table, []).append(f'{{"PutRequest": {{"Item": {item.text}}}}}')
    tables = ", ".join(f"{json.dumps(name)}: [{', '.join(texts)}]" for name, texts in by_table.items())
    return f'{{"RequestItems": {{{tables}}}}}'.encode()


def _binary(value: Any) -> str:
    """Bytes, alone or in a set, as DynamoDB's JSON has them. Raises TypeError for all else."""
    return base64.b64encode(value).decode()
