"""Items of a DynamoDB table as plain values, and as the service takes and gives them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def encode(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item, or the values of an expression, as the service takes it, without members that are None."""
    return {key: _serialize(value) for key, value in item.items() if value is not None}


def decode(raw: Mapping[str, Any]) -> dict[str, Any]:
    """An item as the service gives it, its numbers as int where they are whole and as float else."""
    return {key: _plain(_deserialize(value)) for key, value in raw.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
