"""The short way to moto's DynamoDB: its handlers and tables, without its web server's work around them.

Most calls of a schedule are small reads and writes of the runs table, and looking for the address that a
request belongs to takes moto longer than answering it. What moto refuses goes the long way, which words the
refusal as DynamoDB does.

An update takes moto ten times as long as a read: it parses the expression twice and copies the item twice.
One that only sets and removes attributes is carried out here, once moto has been seen to come to the same:
the first update with an expression goes both ways, and a difference ends the test.
"""

import copy
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from moto.core.botocore_stubber import MockRawResponse
from moto.dynamodb.comparisons import create_condition_expression_parser
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.utilities import dynamo_to_dict
from moto.dynamodb.responses import DynamoHandler

from tests.faults import short

SHORT = {
    "GetItem": DynamoHandler.get_item,
    "PutItem": DynamoHandler.put_item,
    "UpdateItem": DynamoHandler.update_item,
    "DeleteItem": DynamoHandler.delete_item,
    "Query": DynamoHandler.query,
    "TransactWriteItems": DynamoHandler.transact_write_items,
}
_HEADERS = {"Content-Type": "application/x-amz-json-1.0"}

_PART = r"#\w+ = (?::\w+|if_not_exists\(#\w+, :\w+\))"
_PLAIN = re.compile(rf"(?:SET ({_PART}(?:, {_PART})*))?(?: ?REMOVE (#\w+(?:, #\w+)*))?")
_MOST_TEXT = 300_000
"""Characters of an item's JSON; DynamoDB's limit is 400 KB, and the short way does not know it."""

_agreed: set[Any] = set()
"""What was asked by the updates that moto has been seen to carry out as the short way does."""


class Place(NamedTuple):
    """Whose tables are meant."""

    account: str
    region: str


def deliver(event_name: str, request: AWSPreparedRequest, place: Place) -> AWSResponse:
    """Answer one request by moto's tables."""
    operation = event_name.rpartition(".")[2]
    if operation in SHORT:
        try:
            body = _answer(operation, json.loads(request.body), place)
        except AssertionError:
            raise
        except Exception:  # noqa: S110 - asked again below, where the refusal becomes an answer
            pass
        else:
            return AWSResponse(request.url, 200, _HEADERS, MockRawResponse(body))
    return short.deliver(event_name, request)


class _RefusedError(Exception):
    """A condition does not hold."""


def _answer(operation: str, asked: dict[str, Any], place: Place) -> str:
    if operation == "GetItem" and asked.keys() <= {"TableName", "Key", "ConsistentRead"}:
        return _read(asked, place)
    if operation == "UpdateItem" and _PLAIN.fullmatch(asked["UpdateExpression"]):
        return _updated(asked, place)
    return _by_moto(operation, asked, place)


def _by_moto(operation: str, asked: dict[str, Any], place: Place) -> str:
    handler: Any = DynamoHandler()
    handler.body = handler.params = asked
    handler.headers, handler.querystring = {}, {}
    handler.current_account, handler.region = place
    return json.dumps(SHORT[operation](handler).result)


def _asked_for(asked: Mapping[str, Any], place: Place) -> tuple[Any, Any, Any]:
    """moto's table, and the parts of the key."""
    table = dynamodb_backends[place.account][place.region].tables[asked["TableName"]]
    return table, *(DynamoType(asked["Key"][name]) for name in ("pk", "sk"))


def _read(asked: Mapping[str, Any], place: Place) -> str:
    table, *key = _asked_for(asked, place)
    item = table.get_item(*key)
    return json.dumps({"Item": dynamo_to_dict(item.attrs)} if item else {})


# Plain updates


def _updated(asked: dict[str, Any], place: Place) -> str:
    """An update without arithmetic and paths; the answer's members that the product reads."""
    table, hash_key, range_key = _asked_for(asked, place)
    item = table.get_item(hash_key, range_key)
    kind = (
        *(asked["UpdateExpression"], asked.get("ConditionExpression"), asked.get("ReturnValues")),
        *(item is None, *sorted(asked["ExpressionAttributeNames"].items())),
        *sorted(asked.get("ExpressionAttributeValues", {})),
    )
    if not _holds(asked, item):
        raise _RefusedError
    if kind in _agreed:
        if item is None:
            table.put_item(asked["Key"])
            item = table.get_item(hash_key, range_key)
        _change(item, asked)
        return _told(item, asked)
    ours = copy.deepcopy(item) if item else Item(hash_key, range_key, asked["Key"])
    answer = _by_moto("UpdateItem", asked, place)
    _change(ours, asked)
    kept = table.get_item(hash_key, range_key)
    assert dynamo_to_dict(ours.attrs) == dynamo_to_dict(kept.attrs), asked
    assert json.loads(_told(ours, asked)).get("Attributes") == json.loads(answer).get("Attributes"), asked
    _agreed.add(kind)
    return answer


def _holds(asked: Mapping[str, Any], item: Any) -> bool:
    parser = create_condition_expression_parser(
        asked.get("ConditionExpression"),
        asked["ExpressionAttributeNames"],
        asked.get("ExpressionAttributeValues", {}),
    )
    return bool(parser.parse().expr(item))


def _change(item: Any, asked: Mapping[str, Any]) -> None:
    """Carry out the expression on an item that is there."""
    plain = _PLAIN.fullmatch(asked["UpdateExpression"])
    assert plain
    names, values = asked["ExpressionAttributeNames"], asked.get("ExpressionAttributeValues", {})
    for name, default, value in re.findall(r"(#\w+) = (if_not_exists\(#\w+, )?(:\w+)", plain[1] or ""):
        if not default or names[name] not in item.attrs:
            dict.__setitem__(item.attrs, names[name], DynamoType(values[value]))
    for name in (plain[2] or "").split(", "):
        if name:
            item.attrs.pop(names[name], None)


def _told(item: Any, asked: Mapping[str, Any]) -> str:
    if asked.get("ReturnValues") != "ALL_NEW":
        return "{}"
    text = json.dumps({"Attributes": dynamo_to_dict(item.attrs)})
    assert len(text) < _MOST_TEXT, "too large for the short way"
    return text
