"""What moto held before a kill it holds after it: objects, versions, items, dates, identifiers."""

import contextlib
import io
import json
import sqlite3
import tempfile
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tunestep.local import moto_backend
from tunestep.local.front import Front, MotoService, Server
from tunestep.local.journal import INLINE_BODY, Call, Journal, changes_something, operation

ACCOUNT, REGION = "123456789012", "us-west-2"
SESSION = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name=REGION)
FORM = "application/x-www-form-urlencoded"


def environ(method="POST", path="/", query="", target="", content_type=""):
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_X_AMZ_TARGET": target,
        "CONTENT_TYPE": content_type,
    }


KEPT = {
    "PutObject": (environ("PUT", "/b/k"), b"x"),
    "DeleteObject": (environ("DELETE", "/b/k"), b""),
    "DeleteObjects": (environ("POST", "/b", "delete"), b"<Delete/>"),
    "CreateMultipartUpload": (environ("POST", "/b/k", "uploads"), b""),
    "PutItem": (environ(target="DynamoDB_20120810.PutItem"), b"{}"),
    "TransactWriteItems": (environ(target="DynamoDB_20120810.TransactWriteItems"), b"{}"),
    "CreateRole in a form": (environ(content_type=FORM), b"Action=CreateRole&RoleName=r"),
    "Subscribe in the query": (environ(query="Action=Subscribe"), b""),
    "PutSecretValue": (environ(target="secretsmanager.PutSecretValue"), b"{}"),
    "an operation nobody has heard of": (environ(target="New.FrobnicateThing"), b"{}"),
}
NOT_KEPT = {
    "GetObject": (environ("GET", "/b/k"), b""),
    "HeadObject": (environ("HEAD", "/b/k"), b""),
    "SelectObjectContent": (environ("POST", "/b/k", "select&select-type=2"), b""),
    "Query": (environ(target="DynamoDB_20120810.Query"), b"{}"),
    "DescribeTable": (environ(target="DynamoDB_20120810.DescribeTable"), b"{}"),
    "GetRole": (environ(content_type=FORM), b"RoleName=r&Action=GetRole"),
    "GetCallerIdentity": (environ(content_type=FORM + "; charset=utf-8"), b"Action=GetCallerIdentity"),
    "Publish, which would be sent again": (environ(content_type=FORM), b"Action=Publish"),
}


@pytest.mark.parametrize(("request_", "body"), KEPT.values(), ids=KEPT)
def test_what_changes_something_is_kept(request_, body):
    assert changes_something(request_, body)


@pytest.mark.parametrize(("request_", "body"), NOT_KEPT.values(), ids=NOT_KEPT)
def test_what_only_reads_is_not_kept(request_, body):
    assert not changes_something(request_, body)


def test_an_action_in_an_object_is_data():
    assert operation(environ("PUT", "/b/k", content_type="text/plain"), b"Action=GetObject") == ""


class Backend:
    """moto behind a journal in a folder; start() again is what a new process does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self):
        moto_backend.install(on_email=lambda *_: None, on_event=lambda *_: None)
        reset_moto()
        self.journal = Journal(self.folder / "journal.sqlite", self.folder / "objects")
        self.moto = MotoService(moto_backend.application(), account=ACCOUNT, kept=self.journal)
        self.server = Server(Front(moto=self.moto), 0)
        self.replayed = self.moto.replay(f"127.0.0.1:{self.server.port}")
        self.server.start()
        config = Config(retries={"total_max_attempts": 1})
        self.s3 = SESSION.client("s3", endpoint_url=self.server.url, config=config)
        self.dynamodb = SESSION.client("dynamodb", endpoint_url=self.server.url, config=config)
        return self

    def __exit__(self, *_):
        self.server.close()
        self.journal.close()


def reset_moto():
    from moto.backends import get_backend  # noqa: PLC0415 - moto reads its environment at import

    for service in ("s3", "dynamodb", "iam", "sns"):
        for account in list(get_backend(service).values()):
            account.reset()


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    reset_moto()


def plain(answer):
    answer.pop("ResponseMetadata")
    if "Body" in answer:
        answer["Body"] = answer["Body"].read()
    return answer


def everything(backend):
    """All that a client can read of the bucket and the table, dates and version ids included."""
    s3 = backend.s3
    versions = plain(s3.list_object_versions(Bucket="bucket"))
    bodies = [
        plain(s3.get_object(Bucket="bucket", Key=v["Key"], VersionId=v["VersionId"]))
        for v in versions.get("Versions", [])
    ]
    return [
        versions,
        bodies,
        plain(s3.list_objects_v2(Bucket="bucket")),
        plain(s3.list_multipart_uploads(Bucket="bucket")),
        plain(backend.dynamodb.describe_table(TableName="t")),
        sorted(repr(sorted(item.items())) for item in backend.dynamodb.scan(TableName="t")["Items"]),
    ]


def create(backend):
    backend.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    backend.s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    backend.dynamodb.create_table(
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )


KEYS = st.sampled_from(["a", "a b", "dir/ü", "x?y=z&k", "plus+sign", "%41"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.binary(max_size=40)),
        st.tuples(st.just("big"), KEYS, st.binary(min_size=1, max_size=4)),
        st.tuples(st.just("delete"), KEYS, st.just(b"")),
        st.tuples(st.just("copy"), KEYS, st.just(b"")),
        st.tuples(st.just("item"), KEYS, st.binary(max_size=10)),
        st.tuples(st.just("once"), KEYS, st.binary(max_size=10)),
        st.tuples(st.just("unput"), KEYS, st.just(b"")),
        st.tuples(st.just("upload"), KEYS, st.binary(max_size=10)),
    ),
    max_size=8,
)


def do(backend, step, key, data):
    s3, dynamodb = backend.s3, backend.dynamodb
    item = {"pk": {"S": key}, "data": {"B": data}}
    match step:
        case "put":
            s3.put_object(Bucket="bucket", Key=key, Body=data, Metadata={"Some_key": "v"})
        case "big":
            s3.put_object(Bucket="bucket", Key=key, Body=io.BytesIO(data * INLINE_BODY))
        case "delete":
            s3.delete_object(Bucket="bucket", Key=key)
        case "copy":
            s3.put_object(Bucket="bucket", Key="source", Body=b"s")
            s3.copy_object(Bucket="bucket", Key=key, CopySource={"Bucket": "bucket", "Key": "source"})
        case "item":
            dynamodb.put_item(TableName="t", Item=item)
        case "once":
            with contextlib.suppress(dynamodb.exceptions.ConditionalCheckFailedException):
                dynamodb.put_item(TableName="t", Item=item, ConditionExpression="attribute_not_exists(pk)")
        case "unput":
            dynamodb.delete_item(TableName="t", Key={"pk": {"S": key}})
        case "upload":
            upload = s3.create_multipart_upload(Bucket="bucket", Key=key)["UploadId"]
            part = s3.upload_part(Bucket="bucket", Key=key, UploadId=upload, PartNumber=1, Body=data)
            parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            s3.complete_multipart_upload(Bucket="bucket", Key=key, UploadId=upload, MultipartUpload=parts)


@given(steps=STEPS)
@settings(max_examples=10, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_any_sequence_of_changes_reads_the_same_after_a_restart(steps):
    with tempfile.TemporaryDirectory() as name:
        with Backend(Path(name)) as backend:
            create(backend)
            for step in steps:
                do(backend, *step)
            before = everything(backend)
        with Backend(Path(name)) as backend:
            assert everything(backend) == before
    reset_moto()


def test_an_upload_begun_before_a_restart_is_completed_after_it(folder):
    with Backend(folder) as backend:
        create(backend)
        upload = backend.s3.create_multipart_upload(Bucket="bucket", Key="k")["UploadId"]
        part = backend.s3.upload_part(Bucket="bucket", Key="k", UploadId=upload, PartNumber=1, Body=b"first")
    with Backend(folder) as backend:
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        backend.s3.complete_multipart_upload(Bucket="bucket", Key="k", UploadId=upload, MultipartUpload=parts)
        assert backend.s3.get_object(Bucket="bucket", Key="k")["Body"].read() == b"first"


def test_a_call_that_was_refused_is_not_made_again(folder):
    with Backend(folder) as backend:
        with pytest.raises(backend.s3.exceptions.ClientError):
            backend.s3.put_object(Bucket="later", Key="k", Body=b"x")
        backend.s3.create_bucket(Bucket="later", CreateBucketConfiguration={"LocationConstraint": REGION})
    with Backend(folder) as backend:
        assert backend.replayed == 1
        assert "Contents" not in backend.s3.list_objects_v2(Bucket="later")


def test_a_torn_tail_costs_the_last_call_only(tmp_path):
    journal = Journal(tmp_path / "j.sqlite", tmp_path / "objects")
    for index in range(3):
        journal.keep(Call(1.0, index, environ("PUT", f"/b/{index}"), b"x" * 5000))
    # A copy taken while the process lives is what a power cut leaves: the log is not folded in yet.
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "j.sqlite").write_bytes((tmp_path / "j.sqlite").read_bytes())
    log = (tmp_path / "j.sqlite-wal").read_bytes()
    (torn / "j.sqlite-wal").write_bytes(log[:-2000])
    journal.close()
    assert [call.seed for call in Journal(torn / "j.sqlite", torn / "objects").calls()] == [0, 1]


def test_a_damaged_body_costs_its_own_call_only(tmp_path, caplog):
    journal = Journal(tmp_path / "j.sqlite", tmp_path / "objects")
    for index in range(3):
        journal.keep(Call(1.0, index, environ("PUT", f"/b/{index}"), bytes([index]) * (INLINE_BODY + 1)))
    victim = json.dumps(sorted(path.name for path in (tmp_path / "objects").iterdir()))
    first = (tmp_path / "objects") / json.loads(victim)[0]
    first.write_bytes(first.read_bytes()[:100])
    assert len(list(journal.calls())) == 2
    assert first.name in caplog.text


def test_nothing_in_the_journal_is_readable_by_others(tmp_path):
    journal = Journal(tmp_path / "j.sqlite", tmp_path / "objects")
    journal.keep(Call(1.0, 1, environ("PUT", "/b/k"), b"x" * (INLINE_BODY + 1)))
    assert (tmp_path / "j.sqlite").stat().st_mode & 0o077 == 0
    assert (tmp_path / "objects").stat().st_mode & 0o077 == 0


def test_credentials_in_a_signature_are_those_of_the_laptop_and_the_host_is_not_kept(tmp_path):
    journal = Journal(tmp_path / "j.sqlite", tmp_path / "objects")
    request = environ("PUT", "/b/k") | {"HTTP_HOST": "127.0.0.1:1", "wsgi.input": io.BytesIO()}
    journal.keep(Call(1.0, 1, request, b""))
    ((text,),) = sqlite3.connect(tmp_path / "j.sqlite").execute("SELECT environ FROM calls").fetchall()
    assert "HTTP_HOST" not in text
    assert "wsgi" not in text
