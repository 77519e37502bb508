"""``licences verify``: whatever was altered, deleted or copied is named."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.run_world import BUCKET, World, world
from tests.unit.test_evidence import TAMPERING, agreed, approval
from tunestep.evidence_audit import Entry, audit
from tunestep.runs import Item

WINDOW = timedelta(days=365)


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _audit(w: World, **cited: str) -> list[Entry]:
    return audit(w.context.evidence, now=w.clock(), window=WINDOW, cited=cited)


def _two(w: World) -> tuple[Item, Item]:
    for about in (agreed(), agreed(model_arn="arn:other")):
        w.context.evidence.record(approval(about))
    items = {item["pk"]: item for item in w.context.evidence.items()}
    return items[f"MODEL#{agreed().model_arn}"], items["MODEL#arn:other"]


def test_what_is_unharmed_is_listed_with_the_runs_that_relied_on_it(w: World) -> None:
    made = w.context.evidence.record(approval(agreed()))
    found = w.context.evidence.covering(agreed(), now=w.clock(), window=WINDOW).acceptance
    assert found is not None
    for run in ("r3", "r2"):
        w.context.evidence.use(found, run_id=run, execution_arn="arn", at="now")
    (entry,) = _audit(w, r2=made)
    assert (entry.evidence_id, entry.state, entry.faults) == (made, "valid", ())
    assert entry.runs == (found.run_id, "r2", "r3")


def test_an_old_one_is_expired_and_a_revoked_one_says_who_and_why(w: World) -> None:
    item, _ = _two(w)
    w.context.evidence.revoke(item["evidence_id"], item["pk"], actor="bob", reason="no", at="today")
    w.clock.forward(366 * 86_400)
    states = {entry.model: entry for entry in _audit(w)}
    assert states["MODEL#arn:other"].state == "expired"
    assert states[item["pk"]].state == "revoked"
    assert states[item["pk"]].revoked == {"actor": "bob", "reason": "no", "revoked_at": "today"}


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda tamper: tamper.__name__.strip("_"))
def test_everything_that_was_touched_is_named(w: World, tamper: Callable[[World, Item, Item], None]) -> None:
    item, other = _two(w)
    tamper(w, item, other)
    damaged = [entry for entry in _audit(w) if entry.faults]
    assert damaged
    assert {entry.state for entry in damaged} == {"damaged"}
    assert item["evidence_id"] in " ".join(f"{entry.evidence_id} {entry.faults}" for entry in damaged)


@pytest.mark.parametrize("half", ["item", "file"])
def test_half_a_revocation_is_named(w: World, half: str) -> None:
    item, _ = _two(w)
    made = item["evidence_id"]
    w.context.evidence.revoke(made, item["pk"], actor="bob", reason="no", at="today")
    if half == "item":
        key = {"pk": {"S": item["pk"]}, "sk": {"S": f"REVOKED#{made}"}}
        w.dynamodb.delete_item(TableName="tunestep-evidence", Key=key)
    else:
        w.s3.delete_object(Bucket=BUCKET, Key=f"evidence/{made}.revoked.json")
    (entry,) = [entry for entry in _audit(w) if entry.faults]
    assert entry.faults == (f"the revocation's {half} is gone",)


def test_an_acceptance_that_is_gone_altogether_is_named_by_the_runs_that_rely_on_it(w: World) -> None:
    item, _ = _two(w)
    made = item["evidence_id"]
    w.dynamodb.delete_item(
        TableName="tunestep-evidence", Key={"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}}
    )
    w.s3.delete_object(Bucket=BUCKET, Key=item["file_key"])
    (entry,) = [entry for entry in _audit(w, r1=made, r2=made) if entry.faults]
    assert (entry.evidence_id, entry.runs) == (made, ("r1", "r2"))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"said": 1}', b"\xff", b"[" * 5000])
def test_a_file_that_is_none_of_ours_is_named_and_breaks_nothing(w: World, body: Any) -> None:
    w.s3.put_object(Bucket=BUCKET, Key="evidence/x.json", Body=body)
    (entry,) = _audit(w)
    assert (entry.evidence_id, entry.state) == ("x", "damaged")
