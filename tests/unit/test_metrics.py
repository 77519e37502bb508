"""The MLflow reader sends what SageMaker's own plugin sends, to no other host, and never without bounds."""

import hashlib
import hmac
import io
import json
import math
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import urllib3
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from tunestep import metrics
from tunestep.metrics import MetricsUnavailable, MlflowReader, Point, signed, target

CAPTURED = json.loads(
    (Path(__file__).parents[1] / "conformance" / "mlflow_rest.json").read_text(encoding="utf-8")
)
ARN = "arn:aws:sagemaker:us-west-2:111122223333:mlflow-app/app-ABCDEFGHIJKL"
CREDENTIALS = ReadOnlyCredentials("AKIDEXAMPLE", "secret", "tok")


def _authorization(method: str, url: str, headers: dict[str, str], body: str, service: str) -> str:
    """Signature Version 4 by hand, from its specification."""
    parts = urlsplit(url)
    names = re.search(r"SignedHeaders=([^,]+)", headers["Authorization"]).group(1).split(";")  # type: ignore[union-attr]
    lowered = {key.lower(): value for key, value in headers.items()} | {"host": parts.netloc}
    query = "&".join(sorted(parts.query.split("&"))) if parts.query else ""
    canonical = "\n".join(
        [
            method,
            parts.path,
            query,
            *(f"{name}:{lowered[name].strip()}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body.encode()).hexdigest(),
        ]
    )
    moment = lowered["x-amz-date"]
    scope = f"{moment[:8]}/us-west-2/{service}/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4secret"
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={';'.join(names)}, "
        f"Signature={signature}"
    )


@pytest.mark.parametrize("capture", CAPTURED, ids=lambda capture: capture["path"].split("?")[0])
@pytest.mark.parametrize(
    ("arn", "service", "host", "header"),
    [
        (ARN, "sagemaker", "mlflow.sagemaker.us-west-2.app.aws", "x-sm-mlflow-app-arn"),
        (
            "arn:aws:sagemaker:us-west-2:111122223333:mlflow-tracking-server/team",
            "sagemaker-mlflow",
            "us-west-2.experiments.sagemaker.aws",
            "x-mlflow-sm-tracking-server-arn",
        ),
    ],
)
def test_requests_are_those_of_the_plugin(
    capture: dict[str, Any], arn: str, service: str, host: str, header: str
) -> None:
    path, _, query = capture["path"].removeprefix("/api/2.0/mlflow/").partition("?")
    body = json.loads(capture["body"]) if capture["body"] else None
    where = target(arn, region="us-west-2", account="111122223333")
    request = signed(
        where,
        arn,
        CREDENTIALS,
        method=capture["method"],
        path=path,
        params=dict(parse_qsl(query)),
        body=body,
    )
    headers = dict(request.headers.items())
    assert request.url == f"https://{host}{capture['path']}"
    assert headers[header] == arn
    assert headers["X-Amz-Content-SHA256"] == capture["headers"]["X-Amz-Content-SHA256"]
    assert headers["X-Amz-Security-Token"] == "tok"
    expected = _authorization(capture["method"], request.url, headers, capture["body"], service)
    assert headers["Authorization"] == expected
    if arn == ARN:
        assert capture["headers"][header] == arn
        assert capture["scope"].split("/", 2)[2] in headers["Authorization"]


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "not-an-arn",
        ARN + "\n",
        ARN + "/more",
        ARN.replace("us-west-2", "us-east-1"),
        ARN.replace("111122223333", "999999999999"),
        ARN.replace("arn:aws:", "arn:aws-cn:"),
        ARN.replace("sagemaker", "mlflow"),
        ARN.replace("mlflow-app/", "model/"),
        ARN.replace("us-west-2", "evil.example/us-west-2"),
        ARN.replace("us-west-2", "us-west-2@evil"),
    ],
)
def test_an_arn_that_is_not_the_runs_own_is_never_signed_for(arn: str) -> None:
    with pytest.raises(MetricsUnavailable):
        target(arn, region="us-west-2", account="111122223333")


@given(st.text())
def test_no_text_makes_another_host(text: str) -> None:
    try:
        where = target(f"arn:aws:sagemaker:{text}:111122223333:mlflow-app/a", region=text, account="1" * 12)
    except MetricsUnavailable:
        return
    assert re.fullmatch(r"https://mlflow\.sagemaker\.[a-z0-9-]+\.app\.aws", where.base)


class Http:
    """Answers requests from a list; remembers the URLs."""

    def __init__(self, *answers: tuple[int, Any] | Exception) -> None:
        self.answers, self.urls = list(answers), list[str]()

    def request(self, _method: str, url: str, **_options: Any) -> urllib3.HTTPResponse:
        self.urls.append(url)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return urllib3.HTTPResponse(body=io.BytesIO(data), status=status, preload_content=False)


def _reader(http: Http, sleep: Callable[[float], None] = lambda _: None, **options: Any) -> MlflowReader:
    return MlflowReader(
        ARN,
        region="us-west-2",
        account="111122223333",
        credentials=CREDENTIALS,
        http=http,
        sleep=sleep,
        **options,
    )


def _page(first: int, count: int, token: str = "") -> tuple[int, dict[str, Any]]:
    points = [
        {"key": "m", "value": step / 2, "step": step, "timestamp": step}
        for step in range(first, first + count)
    ]
    return 200, {"metrics": points} | ({"next_page_token": token} if token else {})


def test_histories_are_read_page_by_page() -> None:
    http = Http(_page(1, 2, "a b/="), _page(3, 1))
    assert _reader(http).history("r1", "critic/rewards/mean") == [
        Point(1, 0.5, 1),
        Point(2, 1.0, 2),
        Point(3, 1.5, 3),
    ]
    assert "metric_key=critic%2Frewards%2Fmean" in http.urls[0]
    assert http.urls[1].endswith("page_token=a%20b%2F%3D")


def test_an_empty_history_is_no_points() -> None:
    assert _reader(Http((200, {}))).history("r1", "m") == []


def test_a_server_that_never_ends_its_pages_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_PAGES", 3)
    with pytest.raises(MetricsUnavailable, match="pages"):
        _reader(Http(*[_page(1, 1, "again")] * 3)).history("r1", "m")


@pytest.mark.parametrize(
    "fault", [(429, {}), (500, {}), (503, {}), urllib3.exceptions.ProtocolError("reset")]
)
def test_passing_faults_are_tried_again(fault: Any) -> None:
    waits: list[float] = []
    http = Http(fault, fault, (200, {"run": {"data": {}}}))
    assert _reader(http, waits.append).run("r1") == {"data": {}}
    assert waits == [1.0, 2.0]


@pytest.mark.parametrize("status", [400, 403, 404, 302])
def test_a_refusal_is_final_and_says_what_was_refused(status: int) -> None:
    http = Http((status, {"message": "denied"}))
    with pytest.raises(MetricsUnavailable, match=f"{status} to runs/get"):
        _reader(http).run("r1")
    assert len(http.urls) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"\xff"])
def test_an_answer_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(MetricsUnavailable):
        _reader(Http((200, body))).history("r1", "m")


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_RESPONSE_BYTES", 100)
    with pytest.raises(MetricsUnavailable, match="larger"):
        _reader(Http((200, b"x" * 101))).run("r1")


def test_a_run_of_another_partition_is_never_signed_for() -> None:
    with pytest.raises(MetricsUnavailable, match="aws-us-gov"):
        target(ARN, region="us-west-2", account="111122223333", partition="aws-us-gov")
    gov = ARN.replace("arn:aws:", "arn:aws-us-gov:").replace("us-west-2", "us-gov-west-1")
    where = target(gov, region="us-gov-west-1", account="111122223333", partition="aws-us-gov")
    assert where.base == "https://mlflow.sagemaker.us-gov-west-1.app.aws"


@pytest.mark.parametrize("region", ["evil.example/#", "evil.example/", "u@evil.example", "evil.example?", ""])
def test_a_region_that_is_another_host_causes_no_connection(
    region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setattr(socket.socket, "connect", never)
    arn = ARN.replace("us-west-2", region)
    with pytest.raises(MetricsUnavailable):
        MlflowReader(arn, region=region, account="111122223333", credentials=CREDENTIALS).run("r1")


def test_a_url_that_does_not_lead_to_the_targets_host_is_not_signed() -> None:
    where = target(ARN, region="us-west-2", account="111122223333")
    for base in ("https://evil.example/#", "https://mlflow.sagemaker.evil.example", "https://x@evil.example"):
        with pytest.raises(MetricsUnavailable, match="nothing was signed"):
            signed(where._replace(base=base), ARN, CREDENTIALS, method="GET", path="runs/get")


def test_a_server_that_takes_too_long_is_left_after_the_time_for_all_of_it() -> None:
    now = [0.0]
    http = Http(*[(503, {})] * 9)
    reader = _reader(
        http,
        lambda seconds: now.__setitem__(0, now[0] + seconds),
        budget_seconds=2.5,
        clock=lambda: now[0],
    )
    with pytest.raises(MetricsUnavailable, match="too long"):
        reader.run("r1")
    assert len(http.urls) == 2
    with pytest.raises(MetricsUnavailable, match="too long"):
        reader.history("r1", "m")
    assert len(http.urls) == 2


@pytest.mark.parametrize(
    "entry",
    [
        {"value": "many", "step": 1},
        {"step": 1},
        {"value": 1.0, "step": "x"},
        "text",
        {"value": []},
        {"value": 1.0, "step": 10**40},
        {"value": 1.0, "timestamp": -(2**63)},
        {"value": 1.0, "step": math.inf},
    ],
)
def test_values_that_are_no_numbers_are_refused_by_name(entry: Any) -> None:
    with pytest.raises(MetricsUnavailable, match=r"values of a/b"):
        _reader(Http((200, {"metrics": [entry]}))).history("r1", "a/b")


def test_what_is_no_text_is_never_asked_for() -> None:
    with pytest.raises(MetricsUnavailable, match="no text"):
        _reader(Http()).history("r1", "half\ud800")
    pages = Http((200, {"metrics": [], "next_page_token": "half\ud800"}))
    with pytest.raises(MetricsUnavailable, match="no text"):
        _reader(pages).history("r1", "m")


def test_values_that_are_not_finite_are_kept() -> None:
    values = [math.nan, math.inf, -math.inf, "NaN", "Infinity", "-Infinity"]
    points = [{"value": value, "step": step, "timestamp": 0} for step, value in enumerate(values)]
    found = [point.value for point in _reader(Http((200, {"metrics": points}))).history("r1", "m")]
    assert [str(value) for value in found] == ["nan", "inf", "-inf"] * 2


def test_the_laptops_endpoint_replaces_the_host() -> None:
    http = Http((200, {"run": {}}))
    _reader(http, endpoint="http://127.0.0.1:9/").run("r1")
    assert http.urls == ["http://127.0.0.1:9/api/2.0/mlflow/runs/get?run_id=r1"]
