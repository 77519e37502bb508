"""Acceptances: stored once, found again only unharmed, and gone for good once revoked."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.run_world import BUCKET, RUN_ID, World, execution_arn, make_plan, world
from tunestep import evidence_seal
from tunestep.evidence import Evidence, Found, NoSuchEvidence
from tunestep.evidence_seal import Terms, reusable, seal, terms
from tunestep.runs import Item, Runs

WINDOW = timedelta(days=365)


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def agreed(**changes: Any) -> Terms:
    plan = make_plan()
    licence = msgspec.structs.replace(plan.licence, id="llama", text_sha256="a" * 64, revision="2026-11")
    return msgspec.structs.replace(terms(plan.model, licence), **changes)


def approval(about: Terms, **changes: Any) -> dict[str, Any]:
    """An approved question as it is stored."""
    return {
        "terms": msgspec.to_builtins(about),
        "actor": "ann",
        "channel": "page",
        "assurance": "link holder",
        "reason": "read it",
        "decided_at": "2026-11-22T12:00:00Z",
        "request_hash": "f" * 64,
        "run_id": RUN_ID,
        "execution_arn": execution_arn(RUN_ID),
        "approval_id": "id-1",
        **changes,
    }


def _covering(w: World, about: Terms | None = None) -> Found:
    return w.context.evidence.covering(about or agreed(), now=w.clock(), window=WINDOW)


def _stored(w: World) -> Item:
    (item,) = [item for item in w.context.evidence.items() if item["sk"].startswith("ACCEPTED#")]
    return item


def _file(w: World, item: Item) -> dict[str, Any]:
    body = w.context.evidence.file(item["file_key"])
    assert body is not None
    document: dict[str, Any] = msgspec.json.decode(body)
    return document


def test_what_was_accepted_covers_the_same_model_version_and_licence(w: World) -> None:
    made = w.context.evidence.record(approval(agreed()))
    found = _covering(w)
    assert found.acceptance is not None
    assert found.damaged == ()
    said = msgspec.to_builtins(found.acceptance)
    assert said.pop("terms") == msgspec.to_builtins(agreed())
    assert said == {key: value for key, value in approval(agreed()).items() if key != "terms"} | {
        "version": 1
    }
    assert found.acceptance.id == made


def test_the_item_and_the_file_carry_each_others_digest(w: World) -> None:
    w.context.evidence.record(approval(agreed()))
    item = _stored(w)
    file = _file(w, item)
    unsealed = {key: value for key, value in item.items() if key != "file_sha256"}
    assert file["item_sha256"] == evidence_seal.digest(unsealed)
    assert item["file_sha256"] == evidence_seal.digest(file)


def test_recording_twice_changes_nothing(w: World) -> None:
    ids = {w.context.evidence.record(approval(agreed())) for _ in range(2)}
    assert len(ids) == 1
    assert len(list(w.context.evidence.items())) == 1
    assert len(list(w.context.evidence.files())) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"licence_id": "other"},
        {"name": "other"},
        {"url": "https://other.example"},
        {"text_sha256": "b" * 64},
        {"text_sha256": ""},
        {"model_arn": "arn:other"},
        {"model_version": "1.3.0"},
        {"source_model_package_arn": "arn:package"},
    ],
)
def test_an_acceptance_of_something_else_covers_nothing(w: World, changes: dict[str, str]) -> None:
    w.context.evidence.record(approval(agreed(**changes)))
    assert _covering(w) == Found()


def test_a_newer_table_of_links_changes_nothing_about_a_text_that_is_known_by_its_hash(w: World) -> None:
    w.context.evidence.record(approval(agreed(revision="2025-01")))
    assert _covering(w).acceptance is not None


def test_for_a_licence_that_is_only_a_link_a_newer_table_asks_again(w: World) -> None:
    w.context.evidence.record(approval(agreed(text_sha256="", revision="2025-01")))
    assert _covering(w, agreed(text_sha256="")) == Found()


@pytest.mark.parametrize(("days", "covered"), [(0, True), (365, True), (366, False), (-1, False)])
def test_an_acceptance_counts_within_the_policy_window(w: World, days: int, covered: bool) -> None:
    w.context.evidence.record(approval(agreed()))
    w.clock.forward(days * 86_400)
    assert (_covering(w).acceptance is not None) is covered


def test_the_newest_acceptance_is_cited(w: World) -> None:
    w.context.evidence.record(approval(agreed(), decided_at="2026-11-20T12:00:00Z", actor="old"))
    w.context.evidence.record(approval(agreed(), decided_at="2026-11-21T12:00:00Z", actor="new"))
    found = _covering(w).acceptance
    assert found is not None
    assert found.actor == "new"


@pytest.mark.parametrize(
    ("changes", "known", "can"),
    [
        ({}, True, True),
        ({"text_sha256": ""}, True, True),
        ({"text_sha256": "", "revision": ""}, True, False),
        ({"text_sha256": "", "url": ""}, True, False),
        ({"text_sha256": ""}, False, False),
        ({}, False, True),
    ],
)
def test_without_a_text_hash_or_a_table_revision_nothing_is_reused(
    changes: dict[str, str], known: bool, can: bool
) -> None:
    assert reusable(agreed(**changes), known=known) is can


def test_a_package_whose_base_is_not_established_stands_for_itself() -> None:
    plan = make_plan()
    package = msgspec.structs.replace(plan.model, source_model_package_arn="arn:package/1")
    unknown = msgspec.structs.replace(package, base_established=False)
    assert terms(package, plan.licence) == terms(plan.model, plan.licence)
    assert terms(unknown, plan.licence) != terms(plan.model, plan.licence)


def _put(w: World, item: Item) -> None:
    Runs(w.dynamodb, "tunestep-evidence").put(item)


def _delete(w: World, item: Item) -> None:
    Runs(w.dynamodb, "tunestep-evidence").delete(item["pk"], item["sk"])


def _put_body(w: World, key: str, body: bytes) -> None:
    w.s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def _altered_said(w: World, item: Item, other: Item) -> None:
    _put(w, {**item, "said": item["said"].replace('"ann"', '"eve"')})


def _altered_time(w: World, item: Item, other: Item) -> None:
    _put(w, {**item, "said": item["said"].replace("2026-11-22T12", "2026-11-22T11")})


def _unreadable_time(w: World, item: Item, other: Item) -> None:
    _put(w, {**item, "said": item["said"].replace("2026-11-22T12:00:00Z", "yesterday")})


def _unreadable(w: World, item: Item, other: Item) -> None:
    _put(w, {**item, "said": "{"})


def _nothing_said(w: World, item: Item, other: Item) -> None:
    _put(w, {key: value for key, value in item.items() if key != "said"})


def _altered_digest(w: World, item: Item, other: Item) -> None:
    _put(w, {**item, "file_sha256": "0" * 64})


def _more_in_the_item(w: World, item: Item, other: Item) -> None:
    _put(w, {**item, "note": "fine"})


def _item_deleted(w: World, item: Item, other: Item) -> None:
    _delete(w, item)


def _item_of_another_model(w: World, item: Item, other: Item) -> None:
    _put(w, {**other, "pk": item["pk"], "sk": item["sk"]})


def _item_of_another_model_beside(w: World, item: Item, other: Item) -> None:
    _delete(w, item)
    _put(w, {**other, "pk": item["pk"]})


def _item_of_another_model_reworded(w: World, item: Item, other: Item) -> None:
    _delete(w, item)
    _put(w, {**other, "pk": item["pk"], "said": other["said"].replace("arn:other", agreed().model_arn)})


def _file_altered(w: World, item: Item, other: Item) -> None:
    body = w.context.evidence.file(item["file_key"]) or b""
    _put_body(w, item["file_key"], body.replace(b'"ann"', b'"eve"'))


def _file_reordered(w: World, item: Item, other: Item) -> None:
    _put_body(w, item["file_key"], msgspec.json.encode(dict(reversed(_file(w, item).items()))))


def _file_emptied(w: World, item: Item, other: Item) -> None:
    _put_body(w, item["file_key"], b"")


def _file_deleted(w: World, item: Item, other: Item) -> None:
    w.s3.delete_object(Bucket=BUCKET, Key=item["file_key"])


def _file_of_another_model(w: World, item: Item, other: Item) -> None:
    _put_body(w, item["file_key"], w.context.evidence.file(other["file_key"]) or b"")


def _both_of_another_model(w: World, item: Item, other: Item) -> None:
    _item_of_another_model(w, item, other)
    _file_of_another_model(w, item, other)


TAMPERING: list[Callable[[World, Item, Item], None]] = [
    _altered_said,
    _altered_time,
    _unreadable_time,
    _unreadable,
    _nothing_said,
    _altered_digest,
    _more_in_the_item,
    _item_deleted,
    _item_of_another_model,
    _item_of_another_model_beside,
    _item_of_another_model_reworded,
    _file_altered,
    _file_reordered,
    _file_emptied,
    _file_deleted,
    _file_of_another_model,
    _both_of_another_model,
]


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda tamper: tamper.__name__.strip("_"))
def test_evidence_that_was_touched_is_not_reused(
    w: World, tamper: Callable[[World, Item, Item], None]
) -> None:
    w.context.evidence.record(approval(agreed()))
    item = _stored(w)
    w.context.evidence.record(approval(agreed(model_arn="arn:other")))
    (other,) = [one for one in w.context.evidence.items() if one["pk"] == "MODEL#arn:other"]
    assert _covering(w).acceptance is not None
    tamper(w, item, other)
    assert _covering(w).acceptance is None
    assert not w.context.evidence.still_counts(item["evidence_id"], agreed())


def test_damaged_evidence_is_named_and_an_older_one_that_is_unharmed_counts(w: World) -> None:
    w.context.evidence.record(approval(agreed(), decided_at="2026-11-20T12:00:00Z", actor="old"))
    newest = w.context.evidence.record(approval(agreed()))
    w.s3.delete_object(Bucket=BUCKET, Key=f"evidence/{newest}.json")
    found = _covering(w)
    assert found.acceptance is not None
    assert found.acceptance.actor == "old"
    assert found.damaged == (f"{newest}: the file evidence/{newest}.json is gone",)


def _revoke(w: World, made: str, **changes: str) -> Item:
    options = {"actor": "bob", "reason": "legal says no", "at": "2026-11-23T12:00:00Z", **changes}
    return w.context.evidence.revoke(made, _stored(w)["pk"], **options)


def test_a_revoked_acceptance_covers_nothing_and_the_first_revocation_stands(w: World) -> None:
    made = w.context.evidence.record(approval(agreed()))
    before = _stored(w)
    assert _revoke(w, made)["reason"] == "legal says no"
    assert _revoke(w, made, actor="eve", reason="oh")["actor"] == "bob"
    assert _covering(w) == Found()
    assert not w.context.evidence.still_counts(made, agreed())
    assert _stored(w) == before


@pytest.mark.parametrize("left", ["item", "file"])
def test_removing_one_half_of_a_revocation_gives_nothing_back(w: World, left: str) -> None:
    made = w.context.evidence.record(approval(agreed()))
    _revoke(w, made)
    if left == "file":
        _delete(w, {"pk": _stored(w)["pk"], "sk": f"REVOKED#{made}"})
    else:
        w.s3.delete_object(Bucket=BUCKET, Key=f"evidence/{made}.revoked.json")
    assert _covering(w) == Found()


def test_only_what_is_there_can_be_revoked(w: World) -> None:
    made = w.context.evidence.record(approval(agreed()))
    for evidence_id, model in (("nothing", _stored(w)["pk"]), (made, "MODEL#arn:other")):
        with pytest.raises(NoSuchEvidence):
            w.context.evidence.revoke(evidence_id, model, actor="bob", reason="no", at="now")
    assert _covering(w).acceptance is not None


def test_the_runs_that_went_on_by_an_acceptance_are_written_down_once(w: World) -> None:
    w.context.evidence.record(approval(agreed()))
    found = _covering(w).acceptance
    assert found is not None
    for _ in range(2):
        w.context.evidence.use(found, run_id="r2", execution_arn="arn:r2", at="2026-11-22T13:00:00Z")
    used = [item for item in w.context.evidence.items() if item["sk"].startswith("USED#")]
    assert [item["run_id"] for item in used] == ["r2"]
    assert _covering(w).acceptance == found


class _Watched:
    """A DynamoDB client that only lets through what the stack's roles may do on the evidence table."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.used: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        assert name in ("put_item", "get_item", "query"), name
        self.used.add(name)

        def call(**members: Any) -> Any:
            if name == "put_item":
                assert members["ConditionExpression"] == "attribute_not_exists(#pk)"
            else:
                assert members["ConsistentRead"] is True
            return getattr(self._client, name)(**members)

        return call


def test_nothing_is_ever_updated_deleted_or_put_over_and_every_read_is_consistent(w: World) -> None:
    watched = _Watched(w.dynamodb)
    evidence = Evidence(watched, w.s3, table="tunestep-evidence", bucket=BUCKET)
    made = evidence.record(approval(agreed()))
    found = evidence.covering(agreed(), now=w.clock(), window=WINDOW).acceptance
    assert found is not None
    evidence.use(found, run_id="r2", execution_arn="arn:r2", at="now")
    evidence.revoke(made, _stored(w)["pk"], actor="bob", reason="no", at="now")
    assert watched.used == {"put_item", "get_item", "query"}


TEXT = st.text(max_size=30)


@given(
    actor=TEXT, reason=TEXT, run=TEXT, change=st.sampled_from(["actor", "reason", "run_id", "approval_id"])
)
def test_acceptances_that_say_different_things_have_different_ids_and_never_pass_for_one_another(
    actor: str, reason: str, run: str, change: str
) -> None:
    first = _acceptance(actor=actor, reason=reason, run_id=run)
    second = msgspec.structs.replace(first, **{change: getattr(first, change) + "x"})
    one, two = seal(first), seal(second)
    assert one == seal(first)
    assert first.id != second.id
    assert evidence_seal.faults(one.item, one.body) == []
    assert evidence_seal.faults(one.item, two.body)
    assert evidence_seal.faults({**two.item, "pk": one.item["pk"], "sk": one.item["sk"]}, one.body)


def _acceptance(**changes: Any) -> evidence_seal.Acceptance:
    return evidence_seal.Acceptance(version=1, **{**approval(agreed()), "terms": agreed(), **changes})
