"""Event source mappings on the laptop: what Lambda reads from a queue for a function.

Behaviour: AWS Lambda developer guide, "Using Lambda with Amazon SQS". Messages that the function reports,
or all of a batch when it fails, stay in the queue and come again after the visibility timeout.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tunestep.local.awsjson import AwsError
from tunestep.local.interpreter.engine import Invocation

_LOG = logging.getLogger(__name__)


class QueueMapping(NamedTuple):
    """A queue and the function that gets its messages; ``partial`` means it reports failed ones."""

    queue_arn: str
    function: str
    batch_size: int = 10
    partial: bool = False

    @property
    def queue(self) -> str:
        return self.queue_arn.rpartition(":")[2]


class QueueReader:
    """Reads the mapped queues, one after the other.

    ``sqs`` gives the client; ``waiting`` says whether a queue of this name has visible messages.
    """

    def __init__(
        self,
        mappings: Iterable[QueueMapping],
        *,
        sqs: Callable[[], Any],
        invoke: Callable[[str, bytes], Invocation],
        waiting: Callable[[str], bool],
    ) -> None:
        self._mappings = tuple(mappings)
        self._sqs, self._invoke, self._waiting = sqs, invoke, waiting

    def turn(self) -> int:
        """Deliver everything that is visible now; returns how many batches there were."""
        batches = 0
        for mapping in self._mappings:
            while self._waiting(mapping.queue) and self._deliver(mapping):
                batches += 1
        return batches

    def _deliver(self, mapping: QueueMapping) -> bool:
        sqs = self._sqs()
        url = sqs.get_queue_url(QueueName=mapping.queue)["QueueUrl"]
        messages = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=min(mapping.batch_size, 10), AttributeNames=["All"]
        ).get("Messages", [])
        if not messages:
            return False
        failed = self._failed(mapping, messages)
        for message in messages:
            if message["MessageId"] not in failed:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return True

    def _failed(self, mapping: QueueMapping, messages: list[dict[str, Any]]) -> set[str]:
        """Ids of the messages that the function did not deal with."""
        everything = {message["MessageId"] for message in messages}
        event = {"Records": [_record(mapping, message) for message in messages]}
        try:
            answer = self._invoke(mapping.function, json.dumps(event).encode())
        except AwsError as fault:
            _LOG.warning("%s was not invoked for its queue: %s", mapping.function, fault)
            return everything
        if answer.error:
            return everything
        if not mapping.partial:
            return set()
        reported = (json.loads(answer.payload or b"null") or {}).get("batchItemFailures") or []
        named = {failure.get("itemIdentifier") for failure in reported}
        # A report that names something else counts as a failure of the whole batch.
        return everything if named - everything else named & everything


def _record(mapping: QueueMapping, message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.queue_arn,
        "awsRegion": mapping.queue_arn.split(":")[3],
    }
