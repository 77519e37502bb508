"""DynamoDB's calls answered by moto's tables, past botocore and moto's web server.

An update takes moto ten times as long as a read: it parses the expression twice and copies the item twice.
One that only sets, removes and counts up attributes is carried out here, once moto has been seen to come to
the same: the first of a kind is done in both ways, and a difference ends the test.
"""

import copy
import re
from decimal import Decimal
from typing import Any

from moto.dynamodb.comparisons import create_condition_expression_parser
from moto.dynamodb.exceptions import ConditionalCheckFailed, DynamodbException
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.utilities import dynamo_to_dict
from moto.dynamodb.responses import DynamoHandler

from tests.faults.direct import DONE, Asked, Difference, Elsewhere, Refusal, members
from tunestep.local.moto_backend import attributes

BY_MOTO = {
    "PutItem": DynamoHandler.put_item,
    "DeleteItem": DynamoHandler.delete_item,
    "Query": DynamoHandler.query,
    "UpdateItem": DynamoHandler.update_item,
}
_ADDED = r"#\w+ :\w+"
_PART = r"#\w+ = (?::\w+|if_not_exists\(#\w+, :\w+\))"
_PLAIN = re.compile(
    rf"(?:SET ({_PART}(?:, {_PART})*))?(?: ?REMOVE (#\w+(?:, #\w+)*))?(?: ?ADD ({_ADDED}(?:, {_ADDED})*))?"
)
_READ = frozenset({"TableName", "Key", "ConsistentRead"})
_MOST_BYTES = 300_000
"""DynamoDB's limit is 400 KB an item, and the short way does not know it."""


class Tables:
    """moto's tables, asked by what clients are asked with."""

    def __init__(self, account: str, region: str) -> None:
        self._place = account, region
        self._agreed: set[Any] = set()
        """The updates that moto has been seen to carry out as is done here."""

    def can(self, operation: str, asked: Asked) -> bool:
        """Whether it is answered here."""
        return operation in BY_MOTO or (operation == "GetItem" and _READ.issuperset(asked))

    def same(self, operation: str, asked: Asked, answer: Asked) -> bool:
        """Whether what is answered here is what was answered to the same read."""
        return operation not in ("GetItem", "Query") or _seen(self.answer(operation, asked)) == _seen(answer)

    def answer(self, operation: str, asked: Asked) -> dict[str, Any]:
        """The operation's members. Raises Refusal when a condition does not hold, and Elsewhere for another
        error, which moto words."""
        if operation == "GetItem":
            item = self._item(asked)
            return {"Item": attributes(item), **DONE} if item else {**DONE}
        if operation == "UpdateItem" and _PLAIN.fullmatch(asked["UpdateExpression"]):
            return self._update(asked)
        return self._by_moto(operation, asked)

    def _by_moto(self, operation: str, asked: Asked) -> dict[str, Any]:
        handler: Any = DynamoHandler()
        handler.body = handler.params = asked
        handler.headers, handler.querystring = {}, {}
        handler.current_account, handler.region = self._place
        try:
            result: dict[str, Any] = BY_MOTO[operation](handler).result
        except ConditionalCheckFailed:
            raise Refusal from None
        except DynamodbException as fault:
            raise Elsewhere from fault
        return {**result, **DONE}

    def _table(self, asked: Asked) -> Any:
        account, region = self._place
        return dynamodb_backends[account][region].tables[asked["TableName"]]

    def _item(self, asked: Asked) -> Any:
        return self._table(asked).get_item(*_key(asked))

    def _update(self, asked: Asked) -> dict[str, Any]:
        item = self._item(asked)
        if not _holds(asked, item):
            raise Refusal
        kind = (item is None, members(asked))
        if kind not in self._agreed:
            return self._update_in_both_ways(kind, item, asked)
        if item is None:
            self._table(asked).put_item(asked["Key"])
            item = self._item(asked)
        _change(item, asked)
        return _told(item, asked)

    def _update_in_both_ways(self, kind: Any, item: Any, asked: Asked) -> dict[str, Any]:
        ours = copy.deepcopy(item) if item else Item(*_key(asked), asked["Key"])
        answer = self._by_moto("UpdateItem", asked)
        _change(ours, asked)
        left, kept = attributes(ours), dynamo_to_dict(self._item(asked).attrs)
        if left != kept or _told(ours, asked).get("Attributes") != answer.get("Attributes"):
            raise Difference(asked, left, kept, answer)
        self._agreed.add(kind)
        return answer


def _seen(answer: Asked) -> dict[str, Any]:
    return {name: answer.get(name) for name in ("Item", "Items", "Count", "LastEvaluatedKey")}


def _key(asked: Asked) -> tuple[Any, Any]:
    return DynamoType(asked["Key"]["pk"]), DynamoType(asked["Key"]["sk"])


def _holds(asked: Asked, item: Any) -> bool:
    parser = create_condition_expression_parser(
        asked.get("ConditionExpression"),
        asked["ExpressionAttributeNames"],
        asked.get("ExpressionAttributeValues", {}),
    )
    return bool(parser.parse().expr(item))


def _change(item: Any, asked: Asked) -> None:
    """Carry out the expression on an item that is there."""
    plain = _PLAIN.fullmatch(asked["UpdateExpression"])
    assert plain
    names, values = asked["ExpressionAttributeNames"], asked.get("ExpressionAttributeValues", {})
    for name, default, value in re.findall(r"(#\w+) = (if_not_exists\(#\w+, )?(:\w+)", plain[1] or ""):
        if not default or names[name] not in item.attrs:
            dict.__setitem__(item.attrs, names[name], DynamoType(values[value]))
    for name in re.findall(r"#\w+", plain[2] or ""):
        item.attrs.pop(names[name], None)
    for name, value in re.findall(r"(#\w+) (:\w+)", plain[3] or ""):
        before = item.attrs[names[name]].value if names[name] in item.attrs else 0
        total = Decimal(before) + Decimal(values[value]["N"])
        dict.__setitem__(item.attrs, names[name], DynamoType({"N": str(total)}))
    if item.size() > _MOST_BYTES:
        raise Difference("too large for the short way", asked)


def _told(item: Any, asked: Asked) -> dict[str, Any]:
    if asked.get("ReturnValues") != "ALL_NEW":
        return {**DONE}
    return {"Attributes": attributes(item), **DONE}
