"""Counters of one DynamoDB item, and the entries beside them, which change in the same conditional write."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from tunestep.aws import Client, error_code
from tunestep.items import encode


class _Change(NamedTuple):
    update: str
    condition: str
    names: Mapping[str, str]
    values: Mapping[str, Any]


class Ledger:
    """The item with one key of a table. ``adds`` are by counter, and may be negative."""

    def __init__(self, dynamodb: Client, table: str, pk: str, sk: str) -> None:
        self._client, self._table = dynamodb, table
        self._key = {"pk": pk, "sk": sk}

    def draw(
        self, entry: str, value: Mapping[str, Any], *, adds: Mapping[str, int], room: Mapping[str, int]
    ) -> bool:
        """Add to the counters and keep the entry.

        Nothing is written, and the answer is False, when the entry is there already or a counter stands
        above its ``room``.
        """
        names: dict[str, str] = {"#entry": entry}
        values: dict[str, Any] = {":entry": value}
        holds = ["attribute_not_exists(#entry)"]
        for number, (counter, most) in enumerate(room.items()):
            names[f"#r{number}"], values[f":r{number}"] = counter, most
            holds.append(f"(attribute_not_exists(#r{number}) OR #r{number} <= :r{number})")
        return self._write(_Change("SET #entry = :entry", " AND ".join(holds), names, values), adds)

    def settle(self, entry: str, *, adds: Mapping[str, int]) -> bool:
        """Add to the counters and remove the entry; False when it is gone already."""
        return self._write(_Change("REMOVE #entry", "attribute_exists(#entry)", {"#entry": entry}, {}), adds)

    def _write(self, change: _Change, adds: Mapping[str, int]) -> bool:
        counters = dict(enumerate(adds))
        added = ", ".join(f"#a{number} :a{number}" for number in counters)
        try:
            self._client.update_item(
                TableName=self._table,
                Key=encode(self._key),
                UpdateExpression=f"{change.update} ADD {added}",
                ConditionExpression=change.condition,
                ExpressionAttributeNames={
                    **change.names,
                    **{f"#a{number}": counter for number, counter in counters.items()},
                },
                ExpressionAttributeValues=encode(
                    {**change.values, **{f":a{number}": adds[name] for number, name in counters.items()}}
                ),
            )
        except ClientError as fault:
            if error_code(fault) != "ConditionalCheckFailedException":
                raise
            return False
        return True
