"""What was ever written to tables becomes the items that are left, and nobody who reads can tell."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.local.test_journal import ACCOUNT, REGION, SESSION, Backend, reset_moto
from tunestep.local import compaction

VALUES = st.recursive(
    st.one_of(
        st.builds(lambda text: {"S": text}, st.text(max_size=5)),
        st.builds(lambda number: {"N": str(number)}, st.integers(-(10**9), 10**9)),
        st.builds(lambda data: {"B": data}, st.binary(max_size=5)),
        st.builds(lambda truth: {"BOOL": truth}, st.booleans()),
        st.just({"NULL": True}),
        st.just({"SS": ["a", "ü"]}),
        st.just({"NS": ["1", "2.5"]}),
        st.just({"BS": [b"\x00", b"\xff"]}),
    ),
    lambda inner: st.one_of(
        st.builds(lambda values: {"L": values}, st.lists(inner, max_size=3)),
        st.builds(
            lambda values: {"M": values},
            st.dictionaries(st.sampled_from(["x", "y", "ü z"]), inner, max_size=2),
        ),
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(["a", "b", "c", "dé"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, VALUES),
        st.tuples(st.just("update"), KEYS, VALUES),
        st.tuples(st.just("transact"), KEYS, VALUES),
        st.tuples(st.just("batch"), KEYS, VALUES),
        st.tuples(st.just("statement"), KEYS, st.none()),
        st.tuples(st.just("delete"), KEYS, st.none()),
    ),
    min_size=1,
    max_size=12,
)


def create(client: Any, table: str, **more: Any) -> None:
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        **more,
    )


def write(client: Any, step: str, key: str, value: Any) -> None:
    whole = {"pk": {"S": key}, "sk": {"N": "7"}}
    item = {**whole, "value": value}
    match step:
        case "put":
            client.put_item(TableName="t", Item=item)
        case "update":
            client.update_item(
                TableName="t",
                Key=whole,
                UpdateExpression="SET noted = :v ADD counted :one",
                ExpressionAttributeValues={":v": value, ":one": {"N": "1"}},
            )
        case "transact":
            client.transact_write_items(TransactItems=[{"Put": {"TableName": "t", "Item": item}}])
        case "batch":
            client.batch_write_item(RequestItems={"t": [{"PutRequest": {"Item": item}}]})
        case "statement":
            client.delete_item(TableName="t", Key=whole)
            client.execute_statement(
                Statement=f"INSERT INTO \"t\" VALUE {{'pk': '{key}', 'sk': 7, 'said': 'x'}}"
            )
        case "delete":
            client.delete_item(TableName="t", Key=whole)


def read(client: Any, table: str = "t") -> list[Any]:
    return client.scan(TableName=table)["Items"]


@contextmanager
def compacting(folder: Path, *, always: bool = True) -> Iterator[Backend]:
    """A backend whose journal is compacted after its replay, as the laptop cloud does it."""
    with pytest.MonkeyPatch.context() as patch:
        if always:
            patch.setattr(compaction, "ENOUGH", 0)
        with Backend(folder) as backend:
            backend.saved = compaction.compact(backend.journal, ACCOUNT, REGION)
            yield backend


@given(steps=STEPS, later=STEPS)
@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_tables_read_the_same_however_often_they_were_compacted(
    steps: list[tuple[str, str, Any]], later: list[tuple[str, str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        with Backend(Path(name)) as backend:
            create(backend.dynamodb, "t")
            for step in steps:
                write(backend.dynamodb, *step)
            before = read(backend.dynamodb)
        for _ in range(2):
            with compacting(Path(name)) as backend:
                assert read(backend.dynamodb) == before
        with compacting(Path(name)) as backend:
            for step in later:
                write(backend.dynamodb, *step)
            before = read(backend.dynamodb)
        with Backend(Path(name)) as backend:
            assert read(backend.dynamodb) == before
    reset_moto()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    reset_moto()


def test_a_start_replays_the_items_and_not_every_write_of_them(folder: Path) -> None:
    with Backend(folder) as backend:
        create(backend.dynamodb, "t")
        for number in range(compaction.ENOUGH + 10):
            write(backend.dynamodb, "update", f"k{number % 30}", {"N": str(number)})
        before = read(backend.dynamodb)
    with compacting(folder, always=False) as backend:
        assert backend.saved == compaction.ENOUGH + 10 - 2
    with compacting(folder, always=False) as backend:
        assert backend.replayed == 1 + 2
        assert backend.saved == 0
        assert read(backend.dynamodb) == before


def test_items_too_large_to_go_together_go_in_calls_of_their_own(folder: Path) -> None:
    with Backend(folder) as backend:
        create(backend.dynamodb, "t")
        for number in range(3):
            write(backend.dynamodb, "put", f"k{number}", {"S": "x" * 300_000})
        before = read(backend.dynamodb)
    with compacting(folder):
        pass
    with Backend(folder) as backend:
        assert backend.replayed == 1 + 3
        assert read(backend.dynamodb) == before


def test_a_table_that_tells_of_every_write_keeps_them(folder: Path) -> None:
    with Backend(folder) as backend:
        create(
            backend.dynamodb,
            "t",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        for _ in range(3):
            write(backend.dynamodb, "put", "k", {"S": "x"})
    with compacting(folder) as backend:
        assert (backend.replayed, backend.saved) == (4, 0)


def test_tables_of_another_region_stay_as_they_are(folder: Path) -> None:
    with Backend(folder) as backend:
        other = SESSION.client("dynamodb", region_name="eu-west-1", endpoint_url=backend.server.url)
        create(backend.dynamodb, "t")
        create(other, "t")
        for client, text in ((backend.dynamodb, "here"), (other, "there")):
            write(client, "put", "k", {"S": text})
    with compacting(folder) as backend:
        other = SESSION.client("dynamodb", region_name="eu-west-1", endpoint_url=backend.server.url)
        assert [read(client)[0]["value"] for client in (backend.dynamodb, other)] == [
            {"S": "here"},
            {"S": "there"},
        ]


def test_a_process_that_ends_while_it_compacts_leaves_the_calls_as_they_were(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Backend(folder) as backend:
        create(backend.dynamodb, "t")
        for number in range(5):
            write(backend.dynamodb, "put", f"k{number}", {"S": "x"})
        before = read(backend.dynamodb)

    def torn(items: list[Any]) -> Any:
        return object()  # what SQLite does not take: the statement fails after the deletion

    with monkeypatch.context() as patch:
        patch.setattr(compaction, "_body", torn)
        with pytest.raises(sqlite3.Error), compacting(folder):
            pass
    with Backend(folder) as backend:
        assert backend.replayed == 6
        assert read(backend.dynamodb) == before
