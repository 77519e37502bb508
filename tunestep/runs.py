"""The runs table: one item collection per run, one item per training job.

==================  ==================  ==========================================================
pk                  sk                  what
==================  ==================  ==========================================================
``RUN#<run id>``    ``RUN``             who started what, when, and how it ended
``RUN#<run id>``    ``PENDING#...``     what somebody has to come back to, with the task token that waits
``RUN#<run id>``    ``APPROVAL``        the question put to a person, and the answer
``JOB#<job name>``  ``JOB``             which run a training job belongs to
``APPROVAL#<id>``   ``LINK``            which run the link of a question leads to
``BUDGET#<month>``  ``POTS``            what runs have drawn from the monthly budgets (see ``budgets``)
==================  ==================  ==========================================================

Every read of a single item is strongly consistent. Items with a ``kind`` are in the index ``by_kind``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tunestep.aws import Client, error_code
from tunestep.items import decode, encode
from tunestep.names import KIND_INDEX

Item = dict[str, Any]

RUN = "RUN"
APPROVAL = "APPROVAL"
JOB = "JOB"
PENDING_RUN = "PENDING#run"
PENDING_TRAINING = "PENDING#training"
PENDING_APPROVAL = "PENDING#approval"
PENDING_STOP = "PENDING#stop"

KIND_RUN = "run"
KIND_PENDING_RUN = "pending_run"
KIND_TRAINING = "pending_training"
KIND_APPROVAL = "pending_approval"
KIND_STOP = "pending_stop"

STARTED = "STARTED"
STOPPING = "STOPPING"
ENDED = "ENDED"

NOT_STARTED = "NOT_STARTED"
"""Outcome of a run whose execution was refused."""

_NAME = re.compile(r"#(\w+)")


def run_pk(run_id: str) -> str:
    return f"RUN#{run_id}"


def job_pk(job_name: str) -> str:
    return f"JOB#{job_name}"


def console_run(run_id: str, execution_arn: str, created_at: str) -> Item:
    """The item of an execution that nobody wrote down before it began: the console started it."""
    return {
        "pk": run_pk(run_id),
        "sk": RUN,
        "kind": KIND_RUN,
        "run_id": run_id,
        "execution_arn": execution_arn,
        "source": "console",
        "requester": "unknown",
        "requester_assurance": "unverified",
        "attempt": 1,
        "force": False,
        "created_at": created_at,
        "status": STARTED,
    }


def pending_run(run_id: str, execution_arn: str, created_at: str) -> Item:
    """What makes the reconciler look after a run from its start to its end, whatever it waits for.

    Written before the run, deleted after it: an execution that ends between two waits, and whose event is
    lost, would otherwise be listed as started for ever.
    """
    return {
        "pk": run_pk(run_id),
        "sk": PENDING_RUN,
        "kind": KIND_PENDING_RUN,
        "run_id": run_id,
        "execution_arn": execution_arn,
        "created_at": created_at,
    }


def _condition(condition: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Request members for a condition in which ``#name`` is an attribute and ``:name`` a value."""
    if not condition:
        return {}
    members: dict[str, Any] = {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {f"#{name}": name for name in _NAME.findall(condition)},
    }
    if values:
        members["ExpressionAttributeValues"] = encode(values)
    return members


class Runs:
    """Reads and conditional writes on one runs table, over a DynamoDB client."""

    def __init__(self, dynamodb: Client, table: str) -> None:
        self._client = dynamodb
        self._table = table

    def get(self, pk: str, sk: str) -> Item | None:
        """One item, read consistently; None when there is none."""
        answer = self._client.get_item(
            TableName=self._table, Key=encode({"pk": pk, "sk": sk}), ConsistentRead=True
        )
        return decode(answer["Item"]) if answer.get("Item") else None

    def run(self, run_id: str) -> Item | None:
        return self.get(run_pk(run_id), RUN)

    def approval(self, run_id: str) -> Item | None:
        return self.get(run_pk(run_id), APPROVAL)

    def job(self, job_name: str) -> Item | None:
        return self.get(job_pk(job_name), JOB)

    def pending(self, run_id: str, sk: str) -> Item | None:
        return self.get(run_pk(run_id), sk)

    def put(self, item: Item, *, condition: str = "", values: Mapping[str, Any] | None = None) -> bool:
        """Write a whole item; False when the condition did not hold and nothing was written."""
        try:
            self._client.put_item(
                TableName=self._table, Item=encode(item), **_condition(condition, values or {})
            )
        except ClientError as fault:
            if error_code(fault) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def put_new(self, item: Item) -> bool:
        """Write an item unless one with its key exists; False when one did."""
        return self.put(item, condition="attribute_not_exists(#pk)")

    def update(
        self,
        pk: str,
        sk: str,
        changes: Mapping[str, Any],
        *,
        defaults: Mapping[str, Any] | None = None,
        remove: tuple[str, ...] = (),
        condition: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> Item | None:
        """Change attributes of an item and return the whole of it as it is now.

        ``defaults`` are set only where the item has no such attribute yet. Returns None when the
        condition did not hold and nothing was changed.
        """
        sets = [f"#{name} = :set_{name}" for name in changes]
        sets += [f"#{name} = if_not_exists(#{name}, :set_{name})" for name in defaults or {}]
        removals = [f"#{name}" for name in remove]
        clauses = [("SET", sets), ("REMOVE", removals)]
        expression = " ".join(f"{word} {', '.join(parts)}" for word, parts in clauses if parts)
        new = {f":set_{name}": value for name, value in {**changes, **(defaults or {})}.items()}
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=encode({"pk": pk, "sk": sk}),
                UpdateExpression=expression,
                ExpressionAttributeNames={
                    f"#{name}": name for name in _NAME.findall(f"{expression} {condition}")
                },
                ExpressionAttributeValues=encode({**new, **(values or {})}),
                ReturnValues="ALL_NEW",
                **({"ConditionExpression": condition} if condition else {}),
            )
        except ClientError as fault:
            if error_code(fault) != "ConditionalCheckFailedException":
                raise
            return None
        return decode(answer["Attributes"])

    def swap_entry(
        self, pk: str, sk: str, path: tuple[str, str], before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> bool:
        """Write one entry of a map attribute, only if it still is what it was; an empty ``before`` is none.

        ``path`` is the attribute and the key in it. False when somebody else was faster.
        """
        unchanged = "#map.#key = :before" if before else "attribute_not_exists(#map.#key)"
        values = {":after": after, **({":before": before} if before else {})}
        try:
            self._client.update_item(
                TableName=self._table,
                Key=encode({"pk": pk, "sk": sk}),
                UpdateExpression="SET #map.#key = :after",
                ConditionExpression=unchanged,
                ExpressionAttributeNames={"#map": path[0], "#key": path[1]},
                ExpressionAttributeValues=encode(values),
            )
        except ClientError as fault:
            if error_code(fault) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def update_run(self, run_id: str, changes: Mapping[str, Any], **options: Any) -> Item | None:
        """Change the RUN item of a run that has one; None when it has none or a condition failed."""
        condition = "attribute_exists(#pk)"
        if options.get("condition"):
            condition += f" AND ({options.pop('condition')})"
        return self.update(run_pk(run_id), RUN, changes, condition=condition, **options)

    def delete(
        self, pk: str, sk: str, *, condition: str = "", values: Mapping[str, Any] | None = None
    ) -> bool:
        """Delete an item; False when the condition did not hold. Deleting nothing is fine."""
        try:
            self._client.delete_item(
                TableName=self._table,
                Key=encode({"pk": pk, "sk": sk}),
                **_condition(condition, values or {}),
            )
        except ClientError as fault:
            if error_code(fault) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def delete_pending(self, run_id: str, sk: str, token: str | None = None) -> bool:
        """Delete a pending item; with a token only while it still holds that one."""
        if token is None:
            return self.delete(run_pk(run_id), sk)
        return self.delete(
            run_pk(run_id),
            sk,
            condition="attribute_not_exists(#token) OR #token = :token",
            values={":token": token},
        )

    def collection(self, pk: str) -> list[Item]:
        """All items with one partition key, read consistently."""
        return list(
            self._pages(
                self._client.query,
                ConsistentRead=True,
                KeyConditionExpression="#pk = :pk",
                ExpressionAttributeNames={"#pk": "pk"},
                ExpressionAttributeValues=encode({":pk": pk}),
            )
        )

    def everything(self) -> Iterator[Item]:
        """All items of the table, read consistently."""
        return self._pages(self._client.scan, ConsistentRead=True)

    def by_kind(self, kind: str) -> Iterator[Item]:
        """All items of a kind, oldest first. The index is eventually consistent: read again before acting."""
        return self._pages(
            self._client.query,
            IndexName=KIND_INDEX,
            KeyConditionExpression="#kind = :kind",
            ExpressionAttributeNames={"#kind": "kind"},
            ExpressionAttributeValues=encode({":kind": kind}),
        )

    def _pages(self, operation: Any, **members: Any) -> Iterator[Item]:
        start: dict[str, Any] = {}
        while True:
            page = operation(TableName=self._table, **members, **start)
            yield from map(decode, page.get("Items", []))
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
