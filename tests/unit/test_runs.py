"""The runs table: conditional writes decide races."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.support.run_world import RUN_ID, World, make_plan, world
from tunestep.context import plan_of, stored_plan
from tunestep.errors import PlanChanged, ServiceFault
from tunestep.runs import RUN, run_pk


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def test_a_second_writer_of_a_new_item_loses(w: World) -> None:
    assert w.runs.put_new({"pk": "RUN#a", "sk": "RUN", "by": "first"})
    assert not w.runs.put_new({"pk": "RUN#a", "sk": "RUN", "by": "second"})
    assert w.runs.run("a") == {"pk": "RUN#a", "sk": "RUN", "by": "first"}


def test_update_sets_defaults_only_where_nothing_is(w: World) -> None:
    w.runs.update("RUN#a", "RUN", {"x": 1}, defaults={"source": "console"})
    item = w.runs.update("RUN#a", "RUN", {"x": 2}, defaults={"source": "cli"}, remove=("y",))
    assert item is not None
    assert (item["x"], item["source"]) == (2, "console")


def test_update_with_a_failing_condition_changes_nothing(w: World) -> None:
    w.runs.update("RUN#a", "RUN", {"status": "ENDED"})
    assert w.runs.update_run("a", {"status": "X"}, condition="#status <> :e", values={":e": "ENDED"}) is None
    assert (w.runs.run("a") or {})["status"] == "ENDED"


def test_update_run_never_makes_an_item(w: World) -> None:
    assert w.runs.update_run("nobody", {"status": "ENDED"}) is None
    assert w.runs.run("nobody") is None


def test_a_newer_token_is_not_deleted_with_an_older_one(w: World) -> None:
    w.runs.put({"pk": "RUN#a", "sk": "PENDING#training", "token": "new"})
    assert not w.runs.delete_pending("a", "PENDING#training", "old")
    assert w.runs.delete_pending("a", "PENDING#training", "new")
    assert w.runs.pending("a", "PENDING#training") is None


def test_by_kind_lists_all_pages_and_nothing_without_kind(w: World) -> None:
    for number in range(30):
        filler = "x" * 50_000
        item = {"pk": f"RUN#{number}", "sk": "RUN", "kind": "run", "created_at": f"2026-01-{number:02}"}
        w.runs.put({**item, "filler": filler})
    w.runs.put({"pk": "JOB#a", "sk": "JOB", "created_at": "2026-01-01"})
    assert [item["pk"] for item in w.runs.by_kind("run")] == [f"RUN#{number}" for number in range(30)]


def test_numbers_and_maps_come_back_as_plain_values(w: World) -> None:
    w.runs.put({"pk": "RUN#a", "sk": "RUN", "n": 3, "m": {"k": [1, "x"]}, "absent": None, "flag": True})
    assert w.runs.run("a") == {"pk": "RUN#a", "sk": "RUN", "n": 3, "m": {"k": [1, "x"]}, "flag": True}


def test_files_are_hashed_as_stored_and_absent_ones_are_none(w: World) -> None:
    stored = w.files.put("r", "x.json", {"b": 1, "a": [2]})
    data, sha256 = w.files.get("r", "x.json") or (b"", "")
    assert data == b'{"a":[2],"b":1}'
    assert sha256 == stored.sha256 == hashlib.sha256(data).hexdigest()
    assert w.files.get("r", "y.json") is None


def test_the_stored_plan_comes_back_as_it_was(w: World) -> None:
    plan = w.begin()
    assert plan_of(w.context, w.event()) == plan == make_plan()


def test_a_plan_file_that_somebody_replaced_is_refused(w: World) -> None:
    w.begin()
    w.files.put(RUN_ID, "plan.json", make_plan(execution_role_arn="arn:aws:iam::123456789012:role/Admin"))
    with pytest.raises(PlanChanged, match="is not the plan that was checked"):
        plan_of(w.context, w.event())


def test_a_document_that_names_another_plan_is_refused(w: World) -> None:
    w.begin()
    with pytest.raises(PlanChanged, match="names a plan with SHA-256"):
        plan_of(w.context, w.event(plan={"ok": True, "sha256": "0" * 64}))


def test_a_forged_document_without_a_recorded_plan_proves_nothing(w: World) -> None:
    forged = w.files.put(RUN_ID, "plan.json", make_plan())
    w.runs.update(run_pk(RUN_ID), RUN, {"status": "STARTED"})
    with pytest.raises(ServiceFault, match="no stored plan"):
        plan_of(w.context, w.event(plan={"ok": True, "sha256": forged.sha256}))
    with pytest.raises(ServiceFault, match="no stored plan"):
        stored_plan(w.context, "unknown", {})
