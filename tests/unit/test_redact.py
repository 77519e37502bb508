"""What a probe writes down holds nothing that was secret: canaries of every kind, wherever they stand."""

import base64
import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunestep.operate.redact import EXAMPLES, GONE, LeakFound, Redactor

ACCOUNT, OTHER = "905418236701", "210987654321"
KEY, SECRET, SESSION = (
    "AKIAQ3EGCANARY4WXYZ2",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCANARYKEY",
    "IQoJb3CANARYSESSION==",
)


def redactor() -> Redactor:
    return Redactor(ACCOUNT, {"the access key": KEY, "the secret key": SECRET, "the session token": SESSION})


@pytest.mark.parametrize(
    "canary",
    [
        f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:training-job/x",
        f"s3://tunestep-{ACCOUNT}-us-west-2/data/",
        f"arn:aws:iam::{OTHER}:role/elsewhere",
        "ann.other@corp.example.org",
        "arn:aws:sts::905418236701:assumed-role/Admin/ann@corp.example.org",
        KEY,
        SECRET,
        SESSION,
        "ASIAZZZZZZZZZZZZZZZZ",
        "xoxb-1234-abcdef",
        "hf_abcdefghijklmnopqrst",
        "eyJhbGciOi.eyJzdWIiOiIx.c2lnbmF0dXJl",
        "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIA/x&X-Amz-Signature=0123456789abcdef&a=b",
        "https://h/approvals/abc?k=CANARYlinksecret1234567",
        "AWS4-HMAC-SHA256 Credential=AKIAX/20260101/us-west-2/s3/aws4_request, Signature=aa",
        "Bearer CANARYbearer",
        "-----BEGIN RSA PRIVATE KEY-----\nCANARY\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_canary_is_gone_wherever_it_stands(canary: str) -> None:
    document = {
        "text": f"before {canary} after",
        "list": [{"deep": canary}],
        canary: 1,
        "json": json.dumps({"inner": [canary]}),
    }
    made = redactor()
    written = json.dumps(made.value(document))
    for part in (canary, ACCOUNT, OTHER, "CANARY", "corp.example.org"):
        assert part not in written
    assert made.checked(written) == written


@pytest.mark.parametrize(
    "name",
    [
        "taskToken",
        "Token",
        "ClientSecret",
        "SecretString",
        "Authorization",
        "x-amz-security-token",
        "Signature",
        "Password",
        "SessionToken",
        "AccessKeyId",
        "Credentials",
        "ReceiptHandle",
        "api_key",
    ],
)
def test_what_is_called_a_secret_is_gone_whatever_it_looks_like(name: str) -> None:
    assert redactor().value({name: "plain words", "kept": 1}) == {name: GONE, "kept": 1}
    assert GONE in redactor().value(json.dumps({name: "plain words"}))


def test_what_a_capture_is_for_stays() -> None:
    document = {
        "TrainingJobStatus": "Completed",
        "BillableTokenCount": 1234,
        "max_tokens": 100000,
        "HubArn": "arn:aws:sagemaker:us-west-2:aws:hub/SageMakerPublicHub",
        "NextToken": "page-2",
        "when": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        "size": b"abc",
        "none": None,
        "epoch": 1764000000123,
        "docs": f"arn:aws:iam::{EXAMPLES[0]}:role/x",
    }
    kept = redactor().value(document)
    assert {name: kept[name] for name in document if name not in ("when", "size")} == {
        name: each for name, each in document.items() if name not in ("when", "size")
    }
    assert (kept["when"], kept["size"]) == ("2026-01-02T00:00:00+00:00", "3 bytes")


def test_accounts_are_told_apart_and_the_same_each_time() -> None:
    made = redactor()
    one, two = made.text(f"{ACCOUNT} {OTHER} {ACCOUNT}"), made.text(OTHER)
    assert one == f"{EXAMPLES[0]} {EXAMPLES[1]} {EXAMPLES[0]}"
    assert two == EXAMPLES[1]
    many = [f"{n:012}" for n in range(500000000000, 500000000009)]
    stood = [made.text(one) for one in many]
    assert len(set(stood)) == len(many) and not set(stood) & set(many)
    assert made.checked(" ".join(stood))
    assert made.value({"AccountId": int(ACCOUNT)}) == {"AccountId": int(EXAMPLES[0])}


@pytest.mark.parametrize(
    "leak", [SECRET, base64.b64encode(SECRET.encode()).decode(), SESSION, ACCOUNT, f"x{KEY}y"]
)
def test_a_file_that_would_hold_a_secret_is_refused_without_naming_it(leak: str) -> None:
    with pytest.raises(LeakFound) as refused:
        redactor().checked(f'{{"a": "{leak}"}}')
    assert leak not in str(refused.value)


leaves = st.text(max_size=20) | st.integers() | st.none() | st.sampled_from([KEY, SECRET, SESSION, ACCOUNT])
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(documents)
def test_no_document_leaks_and_every_one_is_json(document: object) -> None:
    made = redactor()
    written = json.dumps(made.value({"document": document}))
    assert made.checked(written)
    assert SECRET not in written and KEY not in written
