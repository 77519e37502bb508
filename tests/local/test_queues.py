"""What a function gets from a queue, and which messages stay in it."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tunestep.local.awsjson import AwsError
from tunestep.local.interpreter.engine import Invocation
from tunestep.local.queues import QueueMapping, QueueReader

ARN = "arn:aws:sqs:us-west-2:123456789012:requests"


class Queue:
    """A queue of moto's with a function that answers as it is told."""

    def __init__(self, *, partial: bool = True) -> None:
        self.sqs = boto3.client(
            "sqs", region_name="us-west-2", aws_access_key_id="k", aws_secret_access_key="s"
        )
        self.url = self.sqs.create_queue(QueueName="requests", Attributes={"VisibilityTimeout": "600"})[
            "QueueUrl"
        ]
        self.events: list[dict[str, Any]] = []
        self.answer: Any = {"batchItemFailures": []}
        self.reader = QueueReader(
            [QueueMapping(ARN, "trigger", 5, partial)],
            sqs=lambda: self.sqs,
            invoke=self._invoke,
            waiting=lambda _: bool(self._count("ApproximateNumberOfMessages")),
        )

    def _count(self, name: str) -> int:
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])
        return int(found["Attributes"][name])

    @property
    def kept(self) -> int:
        return self._count("ApproximateNumberOfMessagesNotVisible")

    def send(self, *bodies: str) -> list[str]:
        sent = [self.sqs.send_message(QueueUrl=self.url, MessageBody=body) for body in bodies]
        return [answer["MessageId"] for answer in sent]

    def _invoke(self, function: str, payload: bytes) -> Invocation:
        assert function == "trigger"
        self.events.append(json.loads(payload))
        if isinstance(self.answer, AwsError):
            raise self.answer
        if isinstance(self.answer, Invocation):
            return self.answer
        return Invocation(json.dumps(self.answer).encode(), False)


@pytest.fixture
def queue() -> Iterator[Queue]:
    with mock_aws():
        yield Queue()


def test_messages_come_in_batches_and_are_deleted(queue: Queue) -> None:
    ids = queue.send(*(f"body {number}" for number in range(7)))
    assert queue.reader.turn() == 2
    records = [record for event in queue.events for record in event["Records"]]
    assert sorted(record["messageId"] for record in records) == sorted(ids)
    assert max(len(event["Records"]) for event in queue.events) == 5
    assert {(record["eventSource"], record["eventSourceARN"]) for record in records} == {("aws:sqs", ARN)}
    assert (queue.kept, queue.reader.turn()) == (0, 0)


def test_a_reported_message_stays_and_the_others_go(queue: Queue) -> None:
    first, _ = queue.send("a", "b")
    queue.answer = {"batchItemFailures": [{"itemIdentifier": first}]}
    queue.reader.turn()
    assert queue.kept == 1


@pytest.mark.parametrize(
    "answer",
    [
        Invocation(b'{"errorType": "X"}', True),
        AwsError("TooManyRequestsException", "busy"),
        {"batchItemFailures": [{"itemIdentifier": "unknown"}]},
        {"batchItemFailures": [{}]},
    ],
)
def test_a_batch_that_fails_stays_whole(queue: Queue, answer: Any) -> None:
    queue.send("a", "b")
    queue.answer = answer
    queue.reader.turn()
    assert queue.kept == 2


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": None}])
def test_an_answer_without_failures_is_success(queue: Queue, answer: Any) -> None:
    queue.send("a")
    queue.answer = answer
    queue.reader.turn()
    assert queue.kept == 0


def test_without_partial_reports_the_answer_says_nothing() -> None:
    with mock_aws():
        queue = Queue(partial=False)
        (only,) = queue.send("a")
        queue.answer = {"batchItemFailures": [{"itemIdentifier": only}]}
        queue.reader.turn()
        assert queue.kept == 0
