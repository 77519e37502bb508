from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.planning import ACCOUNT, DATA, STACK_BUCKET, Desk, finding, prepared_account, shown
from tests.support.world_clients import Refused
from tunestep import checks
from tunestep.data_pins import fingerprint
from tunestep.errors import TransientFault


@pytest.fixture(scope="module")
def account() -> Iterator[Desk]:
    with prepared_account() as prepared:
        for key in ("empty.jsonl", "empty/x.jsonl", "placeholder/"):
            prepared.put(f"s3://my-data-bucket/{key}", "")
        yield prepared


@pytest.fixture
def desk(account: Desk) -> Desk:
    account.reset()
    return account


def test_an_object_is_pinned_by_etag_and_version(desk: Desk) -> None:
    bucket = "versioned-bucket"
    region = {"LocationConstraint": "us-west-2"}
    desk.clients.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=region)
    desk.clients.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    desk.put(f"s3://{bucket}/train.jsonl", "new rows\n")
    plan = desk.plan({"training_data": f"s3://{bucket}/train.jsonl"}).plan
    assert plan is not None
    head = desk.clients.s3.head_object(Bucket=bucket, Key="train.jsonl")
    assert plan.training_data.etag == head["ETag"].strip('"')
    assert plan.training_data.version_id == head["VersionId"]
    assert (plan.training_data.kind, plan.training_data.size) == ("object", 9)


def test_an_unversioned_object_has_no_version(desk: Desk) -> None:
    plan = desk.plan().plan
    assert plan is not None
    assert plan.training_data.version_id == ""


def test_a_prefix_is_pinned_by_a_fingerprint_that_follows_its_content(desk: Desk) -> None:
    request = {"training_data": "s3://my-data-bucket/pinned/"}
    desk.put("s3://my-data-bucket/pinned/rows.jsonl")
    first = desk.plan(request).plan
    again = desk.plan(request).plan
    desk.put("s3://my-data-bucket/pinned/more.jsonl")
    changed = desk.plan(request).plan
    assert first is not None and again is not None and changed is not None
    assert first.training_data.kind == "prefix"
    assert first.training_data.fingerprint == again.training_data.fingerprint
    assert first.training_data.fingerprint != changed.training_data.fingerprint
    assert changed.training_data.objects == 2


ENTRIES = st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8), st.integers(0, 99)), max_size=6)


@given(ENTRIES, st.randoms())
def test_a_fingerprint_does_not_depend_on_the_order_of_the_listing(entries: Any, random: Any) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert fingerprint(entries) == fingerprint(shuffled)


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("s3://my-data-bucket/absent.jsonl", "DATA_NOT_FOUND"),
        ("s3://my-data-bucket/absent/", "DATA_NOT_FOUND"),
        ("s3://my-data-bucket/empty.jsonl", "DATA_EMPTY"),
        ("s3://my-data-bucket/empty/", "DATA_EMPTY"),
        ("s3://my-data-bucket/placeholder/", "DATA_NOT_FOUND"),
        ("s3://my-data-bucket/sft", "DATA_IS_FOLDER"),
        ("s3://no-such-bucket/train.jsonl", "BUCKET_NOT_FOUND"),
        ("s3://my-data-bucket/a/../b.jsonl", "DATA_URI_INVALID"),
        ("s3://My_Bucket/a.jsonl", "DATA_URI_INVALID"),
        ("train.jsonl", "DATA_URI_INVALID"),
    ],
)
@pytest.mark.parametrize("field", ["training_data", "validation_data"])
def test_unusable_data_is_one_error_at_its_field(desk: Desk, uri: str, code: str, field: str) -> None:
    outcome = desk.plan({field: uri})
    assert shown(outcome) == [(code, f"$.{field}")]
    assert finding(outcome, code).fix


def test_data_in_another_region_names_both_regions(desk: Desk) -> None:
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    europe = boto3.client("s3", "eu-west-1", **keys)
    europe.create_bucket(
        Bucket="europe-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    europe.put_object(Bucket="europe-bucket", Key="train.jsonl", Body=b"x")
    outcome = desk.plan({"training_data": "s3://europe-bucket/train.jsonl"})
    assert shown(outcome) == [("BUCKET_IN_OTHER_REGION", "$.training_data")]
    message = finding(outcome, "BUCKET_IN_OTHER_REGION").line()
    assert "eu-west-1" in message
    assert "us-west-2" in message


@pytest.mark.parametrize(
    ("operation", "uri", "code", "permission"),
    [
        ("HeadBucket", DATA, "BUCKET_ACCESS_DENIED", "s3:ListBucket"),
        ("HeadObject", DATA, "DATA_ACCESS_DENIED", "s3:GetObject"),
        ("ListObjectsV2", "s3://my-data-bucket/sft/", "DATA_ACCESS_DENIED", "s3:ListBucket"),
    ],
)
def test_a_denial_is_told_from_absence_and_names_the_permission(
    desk: Desk, operation: str, uri: str, code: str, permission: str
) -> None:
    desk.clients.overrides[operation] = refusing("403", 403)
    outcome = desk.plan({"training_data": uri, "output": "s3://my-data-bucket/out/"})
    assert (code, "$.training_data") in shown(outcome)
    (found,) = [f for f in outcome.findings if f.code == code and f.where == "$.training_data"]
    assert permission in found.fix


def refusing(code: str, status: int = 400) -> Any:
    def refuse(_: Any) -> dict[str, Any]:
        raise Refused(code, "no", status)

    return refuse


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "503"])
def test_a_busy_service_is_a_transient_fault_not_a_finding(desk: Desk, code: str) -> None:
    desk.clients.overrides["HeadObject"] = refusing(code, 503)
    with pytest.raises(TransientFault):
        desk.plan()


def test_an_object_whose_name_begins_others_is_a_warning(desk: Desk) -> None:
    desk.put("s3://my-data-bucket/twice.jsonl")
    desk.put("s3://my-data-bucket/twice.jsonl.bak")
    outcome = desk.plan({"training_data": "s3://my-data-bucket/twice.jsonl"})
    assert outcome.plan is not None
    assert "twice.jsonl.bak" not in finding(outcome, "DATA_NAME_IS_PREFIX").message


def test_the_same_data_for_training_and_validation_is_a_warning(desk: Desk) -> None:
    outcome = desk.plan({"validation_data": DATA})
    assert outcome.plan is not None
    assert ("VALIDATION_IS_TRAINING_DATA", "$.validation_data") in shown(outcome, "warning")


def test_too_many_objects_are_refused_while_listing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.data, "MOST_OBJECTS", 2)
    for index in range(3):
        desk.put(f"s3://my-data-bucket/many/{index}.jsonl")
    outcome = desk.plan({"training_data": "s3://my-data-bucket/many/"})
    assert shown(outcome) == [("DATA_TOO_MANY_OBJECTS", "$.training_data")]


def test_what_the_caller_will_upload_is_not_looked_up(desk: Desk) -> None:
    uri = f"s3://{STACK_BUCKET}/data/abc/train.jsonl"
    outcome = desk.plan({"training_data": uri}, uploads=frozenset({uri}))
    assert outcome.plan is not None
    assert outcome.plan.training_data.uri == uri
    assert not [
        call for call in desk.clients.mentions("data/abc") if call.operation != "SimulatePrincipalPolicy"
    ]


DATASET = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:hub-content/MYHUB/DataSet/rows/1.0.0"


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        (DATASET, "DATASET_NOT_FOUND"),
        (DATASET.replace("1.0.0", "1"), "DATASET_ARN_INVALID"),
        (DATASET.replace("us-west-2", "us-east-1"), "DATASET_ELSEWHERE"),
        (DATASET.replace(ACCOUNT, "999999999999"), "DATASET_ELSEWHERE"),
    ],
)
def test_an_unusable_dataset_is_one_error(desk: Desk, arn: str, code: str) -> None:
    assert shown(desk.plan({"training_data": arn})) == [(code, "$.training_data")]


def test_a_dataset_that_may_not_be_read_names_the_permission(desk: Desk) -> None:
    desk.clients.overrides["DescribeHubContent"] = refusing("AccessDeniedException")
    outcome = desk.plan({"training_data": DATASET})
    assert "sagemaker:DescribeHubContent" in finding(outcome, "DATASET_ACCESS_DENIED").fix


def _registered(desk: Desk, place: str) -> None:
    document = {"DatasetS3Bucket": "my-data-bucket", "DatasetS3Prefix": place}
    desk.world["hub"]["MYHUB/DataSet/rows"] = [{"version": "1.0.0", "document": document}]


def test_a_dataset_is_pinned_by_what_lies_where_the_registry_says(desk: Desk) -> None:
    _registered(desk, "sets/rows/")
    desk.put("s3://my-data-bucket/sets/rows/a.jsonl")
    first = desk.plan({"training_data": DATASET}).plan
    assert first is not None
    assert first.training_data.location == "s3://my-data-bucket/sets/rows/"
    assert first.training_data.objects == 1
    desk.put("s3://my-data-bucket/sets/rows/b.jsonl")
    second = desk.plan({"training_data": DATASET}).plan
    assert second is not None
    assert second.training_data.fingerprint != first.training_data.fingerprint


def test_a_dataset_with_nothing_at_its_place_is_planned_without_a_pin(desk: Desk) -> None:
    _registered(desk, "nowhere/")
    plan = desk.plan({"training_data": DATASET}).plan
    assert plan is not None
    assert (plan.training_data.location, plan.training_data.fingerprint) == (
        "s3://my-data-bucket/nowhere/",
        "",
    )


def test_a_dataset_whose_place_the_settings_do_not_list_is_refused(desk: Desk) -> None:
    desk.world["hub"]["MYHUB/DataSet/rows"] = [
        {"version": "1.0.0", "document": {"DatasetS3Bucket": "other-bucket", "DatasetS3Prefix": "x"}}
    ]
    outcome = desk.plan({"training_data": DATASET}, open=False)
    assert ("NOT_ALLOWED_BY_SETTINGS", "$.training_data") in shown(outcome)
    assert not desk.clients.mentions("other-bucket")
