"""From an event to one run or one rejection: every kind of event, hostile keys, redelivery, broken AWS."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.run_world import (
    ACCOUNT,
    BUCKET,
    MACHINE,
    REQUEST,
    ROLE,
    World,
    execution_arn,
    world,
)
from tunestep import names, presets
from tunestep.environment import Environment
from tunestep.presets import Preset
from tunestep.rejections import LONGEST_KEY, rejected_key
from tunestep.settings import Limits, Settings
from tunestep.source_settings import Source, Sources
from tunestep.trigger import Batch, Outcome, Record, receive
from tunestep.trigger_events import Event, Refused, read, usable_key

PACKAGES = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:model-package/support-v1"


ENVIRONMENT = Environment(
    stack="tunestep",
    table="tunestep-runs",
    bucket=BUCKET,
    machine_arn=MACHINE,
    execution_role_arn=ROLE,
    topic_arn="arn:topic",
    region="us-west-2",
    account=ACCOUNT,
    settings=Settings(),
)


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        made.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield made


def _starts(w: World) -> None:
    """Step Functions accepts the next start, whatever its name."""
    w.sfn_stub.add_response("start_execution", {"executionArn": execution_arn("any"), "startDate": w.clock()})


def _upload(w: World, key: str, body: bytes | Any) -> dict[str, Any]:
    """Put an object and give the event that S3 sends about it."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    version = w.s3.put_object(Bucket=BUCKET, Key=key, Body=data)["VersionId"]
    return _object(key, version)


def _object(key: Any, version: str = "v1", bucket: str = BUCKET, **changes: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "event-1",
        "source": "aws.s3",
        "detail-type": "Object Created",
        "account": ACCOUNT,
        "detail": {
            "bucket": {"name": bucket},
            "object": {"key": key, "version-id": version, "size": 7},
            "requester": ACCOUNT,
            "source-ip-address": "192.0.2.7",
        },
        **changes,
    }


def _asked(detail: Any, **changes: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "event-2",
        "source": "team.data",
        "detail-type": names.DETAIL_REQUESTED,
        "account": "210987654321",
        "detail": detail,
        **changes,
    }


def _receive(w: World, *events: Any) -> Outcome:
    bodies = [event if isinstance(event, str) else json.dumps(event) for event in events]
    records = [Record(message_id=f"m{number}", body=body) for number, body in enumerate(bodies)]
    return receive(w.context, Batch(records=records))


def _rejected(w: World, uri: str) -> dict[str, Any]:
    body = w.s3.get_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
    found: dict[str, Any] = msgspec.json.decode(body)
    return found


def _codes(w: World, outcome: Outcome) -> list[str]:
    (uri,) = outcome.rejected
    return [finding["code"] for finding in _rejected(w, uri)["findings"]]


def _with(w: World, **sources: Source) -> World:
    env = msgspec.structs.replace(w.context.env, settings=Settings(sources=Sources(**sources)))
    object.__setattr__(w.context, "env", env)
    return w


def test_a_request_file_becomes_a_run_that_says_who_uploaded_it(w: World) -> None:
    _starts(w)
    (run_id,) = _receive(w, _upload(w, "requests/a.json", REQUEST)).started
    run = w.runs.run(run_id) or {}
    assert (run["source"], run["requester"], run["requester_assurance"]) == (
        "s3",
        f"{ACCOUNT} from 192.0.2.7",
        "S3 event",
    )
    w.done()


def test_the_version_of_the_event_is_read_and_not_a_newer_one(w: World) -> None:
    event = _upload(w, "requests/a.json", REQUEST)
    _upload(w, "requests/a.json", {**REQUEST, "use_case": "Newer"})
    _starts(w)
    (run_id,) = _receive(w, event).started
    assert (w.runs.run(run_id) or {})["use_case"] == REQUEST["use_case"]


def test_the_same_event_again_is_the_same_execution_whatever_has_changed_since(w: World) -> None:
    presets.save(w.s3, BUCKET, "p", Preset(request={**REQUEST, "use_case": "First"}))
    event = _asked({"preset": "p"})
    _starts(w)
    (first,) = _receive(w, event).started
    presets.save(w.s3, BUCKET, "p", Preset(request={**REQUEST, "use_case": "Second"}))
    w.sfn_stub.add_client_error("start_execution", "ExecutionAlreadyExists")
    assert _receive(w, event).started == [first]
    assert len(list(w.runs.by_kind("run"))) == 1
    w.done()


def test_a_delivery_that_died_before_the_start_is_taken_up_by_the_next(w: World) -> None:
    event = _upload(w, "requests/a.json", REQUEST)
    w.sfn_stub.add_client_error("start_execution", "ThrottlingException")
    assert _receive(w, event).again == ["m0"]
    _starts(w)
    (run_id,) = _receive(w, event).started
    assert run_id.endswith("-1")
    assert (w.runs.run(run_id) or {})["status"] == "STARTED"
    w.done()


def test_a_throttled_redelivery_never_marks_the_run_that_was_started(w: World) -> None:
    event = _upload(w, "requests/a.json", REQUEST)
    _starts(w)
    (run_id,) = _receive(w, event).started
    w.sfn_stub.add_client_error("start_execution", "ThrottlingException")
    assert _receive(w, event).again == ["m0"]
    assert (w.runs.run(run_id) or {})["status"] == "STARTED"


def test_a_redelivery_finds_its_own_attempt_among_later_ones(w: World) -> None:
    first = _upload(w, "requests/a.json", REQUEST)
    found = []
    for event in (first, _upload(w, "requests/a.json", REQUEST), _upload(w, "requests/b.json", REQUEST)):
        _starts(w)
        found += _receive(w, event).started
    assert len(set(found)) == 3
    w.sfn_stub.add_client_error("start_execution", "ExecutionAlreadyExists")
    assert _receive(w, first).started == found[:1]
    w.done()


def test_ceilings_of_the_source_and_the_stack_reach_the_execution(w: World) -> None:
    source = Source(max_tokens=10**9, max_cost_usd=5, approval="always")
    settings_ = Settings(sources=Sources(s3_requests=source), limits=Limits(max_tokens=1000))
    object.__setattr__(w.context, "env", msgspec.structs.replace(w.context.env, settings=settings_))
    sent: list[dict[str, Any]] = []
    w.context.clients.stepfunctions.meta.events.register(
        "before-parameter-build.sfn.StartExecution", lambda params, **_: sent.append(params)
    )
    _starts(w)
    _receive(w, _upload(w, "requests/a.json", {**REQUEST, "approval": {"require": "never"}}))
    asked = json.loads(sent[0]["input"])
    assert asked["limits"] == {"max_tokens": 1000, "max_cost_usd": 5.0}
    assert asked["approval"]["require"] == "always"


def test_uploads_of_the_same_file_are_runs_of_their_own(w: World) -> None:
    for attempt in ("1", "2"):
        _starts(w)
        (run_id,) = _receive(w, _upload(w, "requests/a.json", REQUEST)).started
        assert run_id.endswith(f"-{attempt}")


MALFORMED: dict[str, tuple[bytes, str]] = {
    "half a document": (b'{"use_case":', "REQUEST_UNREADABLE"),
    "no text": (bytes(range(256)), "REQUEST_UNREADABLE"),
    "a key twice": (b'{"use_case": "a", "use_case": "b"}', "REQUEST_UNREADABLE"),
    "too deep": (b"[" * 500 + b"]" * 500, "REQUEST_UNREADABLE"),
    "too large": (b" " * 300_000, "REQUEST_UNREADABLE"),
    "a list": (b"[]", "WRONG_TYPE"),
    "nothing asked": (b"{}", "MISSING_FIELD"),
    "a reserved tag": (json.dumps({**REQUEST, "tags": {"TuneStep:run": "x"}}).encode(), "INVALID_VALUE"),
    "an AWS tag": (json.dumps({**REQUEST, "tags": {"aws:x": "x"}}).encode(), "INVALID_VALUE"),
    "the SDK's tag": (json.dumps({**REQUEST, "tags": {"sagemaker-sdk:x": "x"}}).encode(), "INVALID_VALUE"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_file_ends_in_one_file_with_its_findings(w: World, name: str) -> None:
    body, code = MALFORMED[name]
    event = _upload(w, "requests/a.json", body)
    outcome = _receive(w, event)
    assert outcome.rejected == [f"s3://{BUCKET}/rejected/requests/a.json.json"]
    assert code in _codes(w, outcome)
    assert (outcome.started, outcome.again) == ([], [])
    assert _receive(w, event).rejected == outcome.rejected
    assert list(w.runs.by_kind("run")) == []


def test_a_yaml_file_with_an_alias_is_rejected(w: World) -> None:
    outcome = _receive(w, _upload(w, "requests/a.yaml", b"a: &x 1\nb: *x\n"))
    assert _codes(w, outcome) == ["REQUEST_UNREADABLE"]


def test_a_request_file_that_was_deleted_is_said_to_be(w: World) -> None:
    event = _upload(w, "requests/a.json", REQUEST)
    version = event["detail"]["object"]["version-id"]
    w.s3.delete_object(Bucket=BUCKET, Key="requests/a.json", VersionId=version)
    assert _codes(w, _receive(w, event)) == ["REQUEST_UNREADABLE"]


@pytest.mark.parametrize(
    "key",
    [
        "requests/../presets/a.json",
        "requests/./a.json",
        "requests//a.json",
        "requests/a\nb.json",
        "requests/a\u202eb.json",
        "requests/" + "x" * 1000 + ".json",
        "datasets/p/../../runs/x",
    ],
)
def test_a_key_that_could_lead_elsewhere_is_never_read(w: World, key: str) -> None:
    outcome = _receive(w, _object(key))
    assert _codes(w, outcome) == ["KEY_NOT_USABLE"]
    assert _rejected(w, outcome.rejected[0])["rejected"] == key


@given(st.text(max_size=1100))
@settings(max_examples=300)
def test_every_rejected_key_is_one_plain_path_below_its_prefix(text: str) -> None:
    key = rejected_key(f"requests/{text}")
    assert key.startswith("rejected/requests/")
    assert key.endswith(".json")
    assert key.isascii()
    assert key.isprintable()
    assert len(key) <= LONGEST_KEY
    assert not {"", ".", ".."} & set(key.split("/"))


@given(st.lists(st.text(max_size=40), min_size=2, max_size=2, unique=True))
@example(["", "\0"])
@example([".", "%2E"])
def test_two_subjects_never_share_a_file(subjects: list[str]) -> None:
    assert rejected_key(subjects[0]) != rejected_key(subjects[1])


@given(st.text())
def test_usable_keys_come_back_as_they_went_in(key: str) -> None:
    try:
        usable_key(key)
    except Refused:
        return
    assert key.isprintable()
    assert not {"", ".", ".."} & set(key.split("/"))


@pytest.mark.parametrize(
    "key",
    [
        "runs/r/requests/a.json",
        "output/r/a.json",
        "data/a.json",
        "rejected/requests/a.json.json",
        "presets/a.json",
        "evidence/a.json",
        "state/a.json",
        "requests/folder/",
        "datasets/p/",
        "Requests/a.json",
        7,
        None,
    ],
)
def test_objects_elsewhere_are_not_triggers(w: World, key: Any) -> None:
    assert _receive(w, _object(key)) == Outcome([], [], [])


@pytest.mark.parametrize("key", ["requests/a.txt", "requests/a", "requests/a.json.gz", "requests/json"])
def test_a_file_that_is_no_request_file_is_rejected_and_not_read(w: World, key: str) -> None:
    outcome = _receive(w, _object(key))
    assert _codes(w, outcome) == ["REQUEST_UNREADABLE"]
    assert ".json, .yaml, .yml" in _rejected(w, outcome.rejected[0])["findings"][0]["message"]


def test_the_ending_of_a_request_file_may_be_in_capitals(w: World) -> None:
    _starts(w)
    assert len(_receive(w, _upload(w, "requests/A.JSON", REQUEST)).started) == 1


@pytest.mark.parametrize(
    "event",
    [
        _object("requests/a.json", bucket="another-bucket"),
        _object("requests/a.json") | {"detail-type": "Object Deleted"},
        _object("requests/a.json") | {"source": "mine"},
        _object("requests/a.json") | {"detail": {"bucket": [], "object": 1}},
        _asked({"request": REQUEST}, source="aws.sagemaker"),
        _asked({"request": REQUEST}) | {"detail-type": "Something"},
    ],
)
def test_other_events_are_not_triggers(w: World, event: dict[str, Any]) -> None:
    assert _receive(w, event) == Outcome([], [], [])


@pytest.mark.parametrize("body", ["", "no json", "[]", "null", "{}", '{"source": 1}', '{"detail": {}}'])
def test_a_message_that_is_no_event_is_left_for_the_dead_letters_and_stops_nobody(
    w: World, body: str
) -> None:
    _starts(w)
    outcome = _receive(w, body, _upload(w, "requests/a.json", REQUEST))
    assert outcome.again == ["m0"]
    assert len(outcome.started) == 1


def test_an_event_carries_a_request(w: World) -> None:
    _starts(w)
    (run_id,) = _receive(w, _asked({"request": REQUEST})).started
    run = w.runs.run(run_id) or {}
    assert (run["source"], run["requester"], run["requester_assurance"]) == (
        "event",
        "team.data in account 210987654321",
        "EventBridge event",
    )


@pytest.mark.parametrize(
    ("detail", "code"),
    [
        ({}, "EVENT_INVALID"),
        ({"request": REQUEST, "preset": "p"}, "EVENT_INVALID"),
        ({"request": REQUEST, "requester": "root"}, "EVENT_INVALID"),
        ({"preset": ["p"]}, "EVENT_INVALID"),
        ({"preset": "p", "training_data": 7}, "EVENT_INVALID"),
        ({"preset": "p", "base_model": "m"}, "EVENT_INVALID"),
        ({"preset": "../runs/x"}, "PRESET_NAME_INVALID"),
        ({"preset": "absent"}, "PRESET_NOT_FOUND"),
        ({"preset": "damaged"}, "PRESET_UNREADABLE"),
        ({"preset": "open"}, "MISSING_FIELD"),
        ({"request": "text"}, "WRONG_TYPE"),
        ({"request": json.loads("[" * 100 + "]" * 100)}, "REQUEST_UNREADABLE"),
    ],
)
def test_a_malformed_event_is_rejected(w: World, detail: Any, code: str) -> None:
    w.s3.put_object(Bucket=BUCKET, Key="presets/damaged.json", Body=b'{"reqest": {}}')
    open_request = {name: value for name, value in REQUEST.items() if name != "training_data"}
    presets.save(w.s3, BUCKET, "open", Preset(request=open_request))
    outcome = _receive(w, _asked(detail))
    assert outcome.rejected == [f"s3://{BUCKET}/rejected/events/event-2.json"]
    assert code in _codes(w, outcome)


def test_data_for_a_preset_fills_in_the_path_and_nothing_else(w: World) -> None:
    preset = {**REQUEST, "hyperparameters": {"max_epochs": 2}}
    presets.save(w.s3, BUCKET, "support", Preset(request=preset))
    sent: list[dict[str, Any]] = []
    w.context.clients.stepfunctions.meta.events.register(
        "before-parameter-build.sfn.StartExecution", lambda params, **_: sent.append(params)
    )
    _starts(w)
    _receive(w, _object("datasets/support/2026/train.jsonl"))
    assert json.loads(sent[0]["input"]) == {
        **preset,
        "training_data": f"s3://{BUCKET}/datasets/support/2026/train.jsonl",
    }


@pytest.mark.parametrize("key", ["datasets/train.jsonl", "datasets/Über/train.jsonl", "datasets/a b/x.jsonl"])
def test_data_outside_every_preset_is_rejected(w: World, key: str) -> None:
    assert _codes(w, _receive(w, _object(key))) == ["PRESET_NAME_INVALID"]


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ([], REQUEST["base_model"]),
        ([("Completed", 3), ("Completed", 2)], f"{PACKAGES}/3"),
        ([("Failed", 4), ("Completed", 2)], f"{PACKAGES}/2"),
        (None, REQUEST["base_model"]),
    ],
)
def test_a_preset_goes_on_from_the_newest_approved_package(
    w: World, packages: list[tuple[str, int]] | None, expected: str
) -> None:
    request = {**REQUEST, "model_package_group": "support-v1"}
    if packages is None:
        w.sagemaker_stub.add_client_error("list_model_packages", "ValidationException", "does not exist")
    else:
        summaries = [
            {
                "ModelPackageArn": f"{PACKAGES}/{version}",
                "ModelPackageStatus": status,
                "CreationTime": w.clock(),
            }
            for status, version in packages
        ]
        w.sagemaker_stub.add_response(
            "list_model_packages",
            {"ModelPackageSummaryList": summaries},
            {
                "ModelPackageGroupName": "support-v1",
                "ModelApprovalStatus": "Approved",
                "SortBy": "CreationTime",
                "SortOrder": "Descending",
                "MaxResults": 100,
            },
        )
    document = presets.resolved(w.sagemaker, Preset(request=request, continue_from_group=True), "s3://b/k")
    assert document == {**request, "base_model": expected, "training_data": "s3://b/k"}


def test_a_schedule_is_one_run_per_time_that_it_names(w: World) -> None:
    def tick(time: str) -> dict[str, Any]:
        detail = {"schedule": "nightly", "request": REQUEST}
        return _asked(detail, source="tunestep.schedule", time=time) | {"detail-type": names.DETAIL_SCHEDULED}

    _starts(w)
    (first,) = _receive(w, tick("2026-11-22T01:00:00Z")).started
    assert (w.runs.run(first) or {})["requester"] == "schedule nightly"
    _starts(w)
    assert _receive(w, tick("2026-11-22T01:00:00Z")).started == [first]
    _starts(w)
    assert _receive(w, tick("2026-11-23T01:00:00Z")).started != [first]


@pytest.mark.parametrize(
    ("source", "event"),
    [
        ("s3_requests", _object("requests/a.json")),
        ("presets", _object("datasets/p/a.jsonl")),
        ("events", _asked({"request": REQUEST})),
        (
            "schedules",
            _asked({"schedule": "s", "request": REQUEST}) | {"detail-type": names.DETAIL_SCHEDULED},
        ),
    ],
)
def test_each_source_has_a_switch_of_its_own(w: World, source: str, event: dict[str, Any]) -> None:
    outcome = _receive(_with(w, **{source: Source(enabled=False)}), event)
    assert _codes(w, outcome) == ["SOURCE_SWITCHED_OFF"]


def test_access_that_is_denied_is_tried_again_and_not_called_the_user_s_fault(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    monkeypatch.setattr(w.context.clients.s3, "get_object", denied)
    outcome = _receive(w, _object("requests/a.json"))
    assert (outcome.again, outcome.rejected) == (["m0"], [])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
@settings(max_examples=200)
def test_no_detail_of_an_event_makes_reading_it_raise(detail: Any) -> None:
    whole = detail if isinstance(detail, dict) else {"object": detail, "bucket": detail}
    for event in (_object("k") | {"detail": whole}, _asked(whole)):
        read(msgspec.convert(event, Event), ENVIRONMENT)


def test_what_an_event_came_to_is_forgotten_after_two_months(w: World) -> None:
    _starts(w)
    _receive(w, _upload(w, "requests/one.json", REQUEST))
    (mark,) = [item for item in w.runs.everything() if item["pk"].startswith("EVENT#")]
    assert mark[names.FORGET_AT] == w.context.epoch() + 60 * 86_400
