"""The short ways to moto's tables and buckets come to what moto itself comes to, whatever is written."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.ground import BUCKET, REGION, Ground
from tests.faults.wire import Frame
from tunestep.ledger import Ledger
from tunestep.runs import Runs

NAMES = st.sampled_from(["state", "actor", "count", "map"])
VALUES = st.one_of(
    st.text("aé'\n", max_size=4),
    st.integers(-(10**12), 10**12),
    st.booleans(),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.sampled_from("xy"), st.text("b", max_size=2), max_size=2),
)
UPDATES = st.fixed_dictionaries(
    {
        "changes": st.dictionaries(NAMES, VALUES, max_size=3),
        "defaults": st.dictionaries(NAMES, VALUES, max_size=2),
        "remove": st.sets(NAMES, max_size=2),
        "condition": st.sampled_from(["", "attribute_exists(#pk)", "attribute_not_exists(#state)"]),
    }
)


@contextmanager
def in_a_function(ground: Ground) -> Iterator[list[str]]:
    """Calls count as a function's: all but the first of a kind go the short way. Gives those that did."""
    permissions = ground.wire.permissions
    short: list[str] = []
    with (
        patch.object(permissions, "note", lambda *_: None),
        patch.object(permissions, "note_plain", lambda _, operation, **__: short.append(operation)),
    ):
        ground.wire.reset([])
        ground.wire.frames.append(Frame("start", 1))
        try:
            yield short
        finally:
            ground.wire.reset([])


def carried_out(runs: Runs, update: dict[str, Any]) -> Any:
    """What is returned, or the code of the refusal."""
    taken = set(update["changes"])
    defaults = {name: value for name, value in update["defaults"].items() if name not in taken}
    remove = tuple(sorted(update["remove"] - taken - set(defaults)))
    try:
        return runs.update(
            "run", "RUN", update["changes"], defaults=defaults, remove=remove, condition=update["condition"]
        )
    except ClientError as fault:
        return fault.response["Error"]["Code"]


@settings(max_examples=60)
@given(st.lists(UPDATES, min_size=1, max_size=6))
def test_updates_leave_and_answer_what_moto_s_own_way_does(
    common_ground: Ground, updates: list[dict[str, Any]]
) -> None:
    common_ground.clear()
    shorter = Runs(common_ground.clients.dynamodb, common_ground.table)
    with in_a_function(common_ground):
        told = [carried_out(shorter, update) for update in updates], shorter.get("run", "RUN")
    common_ground.clear()
    longer = Runs(boto3.client("dynamodb", region_name=REGION), common_ground.table)
    assert told == ([carried_out(longer, update) for update in updates], longer.get("run", "RUN"))


def test_a_read_answers_what_was_written(common_ground: Ground) -> None:
    common_ground.clear()
    runs = Runs(common_ground.clients.dynamodb, common_ground.table)
    with in_a_function(common_ground) as short:
        for name in ("run", "another"):
            item = {"pk": name, "sk": "RUN", "list": [1, {"a": None}], "text": "é", "yes": True}
            assert runs.put_new(item) and not runs.put_new(item)
            assert runs.get(name, "RUN") == item and runs.get(name, "JOB") is None
    assert set(short) == {"dynamodb.PutItem", "dynamodb.GetItem"}


DRAWS = st.tuples(
    st.sampled_from(["draw", "settle"]),
    st.sampled_from(["run-a", "run-b"]),
    st.dictionaries(
        st.sampled_from(["tokens", "seconds"]), st.integers(-(10**9), 10**9), min_size=1, max_size=2
    ),
    st.integers(-10, 10**9),
)


@settings(max_examples=60)
@given(st.lists(DRAWS, min_size=1, max_size=8))
def test_counters_stand_where_moto_s_own_way_leaves_them(
    common_ground: Ground, deeds: list[tuple[str, str, dict[str, int], int]]
) -> None:
    def done(client: Any) -> Any:
        common_ground.clear()
        ledger = Ledger(client, common_ground.table, "MONTH", "ALL")
        told = [
            ledger.draw(entry, adds, adds=adds, room=dict.fromkeys(adds, room))
            if deed == "draw"
            else ledger.settle(entry, adds=adds)
            for deed, entry, adds, room in deeds
        ]
        return told, Runs(client, common_ground.table).get("MONTH", "ALL")

    with in_a_function(common_ground):
        shorter = done(common_ground.clients.dynamodb)
    assert shorter == done(boto3.client("dynamodb", region_name=REGION))


def put_and_read(s3: Any, bodies: list[bytes], kind: str) -> list[Any]:
    """What is answered to puts of one object and to reads of it, but for what differs each time."""
    told: list[Any] = []
    for body in bodies:
        put = s3.put_object(Bucket=BUCKET, Key="short/way", Body=body, ContentType=kind)
        version = {"VersionId": put["VersionId"]}
        got = s3.get_object(Bucket=BUCKET, Key="short/way")
        same = s3.get_object(Bucket=BUCKET, Key="short/way", IfMatch=put["ETag"], **version)
        assert got["Body"].read() == same["Body"].read() == body
        heads = [
            s3.head_object(Bucket=BUCKET, Key="short/way"),
            s3.head_object(Bucket=BUCKET, Key="short/way", **version),
        ]
        assert {each["VersionId"] for each in (got, same, *heads)} == {put["VersionId"]}
        told += [put, got, same, *heads]
    for call in (s3.get_object, s3.head_object):
        for key in ("short/absent", "short/absent too"):
            with pytest.raises(ClientError) as refused:
                call(Bucket=BUCKET, Key=key)
            told.append((type(refused.value).__name__, refused.value.response["Error"]))
    passing = {"Body", "ResponseMetadata", "VersionId", "LastModified"}
    return [
        {k: v for k, v in each.items() if k not in passing} if isinstance(each, dict) else each
        for each in told
    ]


@settings(max_examples=25)
@given(
    st.lists(st.binary(max_size=20), min_size=2, max_size=4),
    st.sampled_from(["text/plain", "application/json"]),
)
def test_objects_are_kept_and_answered_as_moto_s_own_way_does(
    common_ground: Ground, bodies: list[bytes], kind: str
) -> None:
    common_ground.clear()
    with in_a_function(common_ground) as short:
        shorter = put_and_read(common_ground.clients.s3, bodies, kind)
    assert {"s3.PutObject", "s3.GetObject", "s3.HeadObject"} <= set(short)
    common_ground.clear()
    assert shorter == put_and_read(boto3.client("s3", region_name=REGION), bodies, kind)


def test_an_object_that_changed_is_refused_as_moto_does(common_ground: Ground) -> None:
    common_ground.clear()
    s3 = common_ground.clients.s3
    with in_a_function(common_ground):
        for _ in range(2):
            put = s3.put_object(Bucket=BUCKET, Key="short/way", Body=b"a", ContentType="text/plain")
            place = {"Bucket": BUCKET, "Key": "short/way", "VersionId": put["VersionId"]}
            for _ in range(2):
                s3.get_object(**place, IfMatch=put["ETag"])
            with pytest.raises(ClientError, match="PreconditionFailed"):
                s3.get_object(**place, IfMatch='"another"')
