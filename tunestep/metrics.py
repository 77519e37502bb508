"""Training metrics out of MLflow, with botocore's own signing and nothing else.

Facts, verified against what sagemaker-mlflow 0.5.0 sends (tests/conformance/mlflow_rest.json): host,
routing header and signing name per kind of ARN; spaces as %20 and slashes as %2F; X-Amz-Content-SHA256.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

PAGE_SIZE = 25_000
MOST_PAGES = 40
"""With PAGE_SIZE, a million points of one metric."""

MAX_RESPONSE_BYTES = 32 * 1024 * 1024
TRIES = 4
BUDGET_SECONDS = 150.0
"""How long one reader may take in all; a server that is slow then counts as one that does not answer."""

_ARN = re.compile(
    r"arn:(?P<partition>aws|aws-us-gov):sagemaker:(?P<region>[a-z]{2}(-[a-z]+)+-\d):(?P<account>\d{12}):"
    r"(?P<kind>mlflow-app|mlflow-tracking-server)/[A-Za-z0-9][A-Za-z0-9-]{0,255}"
)
_LARGEST_STEP = 2**53
"""Steps and times beyond are no such: JSON's readers would not agree on them."""

_RETRIED = frozenset({429, 500, 502, 503, 504})


class MetricsUnavailable(Exception):  # noqa: N818
    """Metrics cannot be read; the message says why. Never the end of a run: a stated gap."""


class Target(NamedTuple):
    """Where requests for one MLflow resource go and how they are signed."""

    base: str
    signing_name: str
    region: str
    header: str
    host: str


class Point(NamedTuple):
    """One value of a metric, which may be NaN or infinite. ``timestamp`` is in milliseconds since 1970."""

    step: int
    value: float
    timestamp: int


def target(arn: str, *, region: str, account: str, partition: str = "aws") -> Target:
    """Host, signing name and routing header for an MLflow app or tracking server.

    The whole ARN has to match and lie in the run's own partition, region and account, so that signed
    requests go to no other host. Raises MetricsUnavailable.
    """
    match = _ARN.fullmatch(arn)
    if match is None:
        raise MetricsUnavailable(f"{arn!r} is not the ARN of an MLflow app or tracking server.")
    if (match["partition"], match["region"], match["account"]) != (partition, region, account):
        raise MetricsUnavailable(f"{arn} is not in account {account} and region {region} ({partition}).")
    if match["kind"] == "mlflow-app":
        host, name, header = f"mlflow.sagemaker.{region}.app.aws", "sagemaker", "x-sm-mlflow-app-arn"
    else:
        host = f"{region}.experiments.sagemaker.aws"
        name, header = "sagemaker-mlflow", "x-mlflow-sm-tracking-server-arn"
    return Target(f"https://{host}", name, region, header, host)


def signed(
    where: Target,
    arn: str,
    credentials: Any,
    *,
    method: str,
    path: str,
    params: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
) -> AWSRequest:
    """A signed request; ``path`` is below /api/2.0/mlflow/ and ``credentials`` are frozen botocore ones.

    Raises MetricsUnavailable, before anything is signed, when the URL leads to another host than wanted.
    """
    url = f"{where.base}/api/2.0/mlflow/{path}"
    if params:
        url += "?" + urlencode(params, quote_via=quote, safe="")
    if urlsplit(url).netloc != where.host:
        raise MetricsUnavailable(f"{where.base} does not lead to {where.host}; nothing was signed or sent.")
    data = b"" if body is None else json.dumps(body).encode()
    headers = {where.header: arn, "X-Amz-Content-SHA256": hashlib.sha256(data).hexdigest()}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = AWSRequest(method=method, url=url, data=data, headers=headers)
    SigV4Auth(credentials, where.signing_name, where.region).add_auth(request)
    return request


def _whole(value: Any) -> int:
    number = int(value)
    if abs(number) > _LARGEST_STEP:
        raise OverflowError("a step or a time is out of range")
    return number


def _points(metric: str, page: Mapping[str, Any]) -> list[Point]:
    try:
        return [
            Point(_whole(entry.get("step", 0)), float(entry["value"]), _whole(entry.get("timestamp", 0)))
            for entry in page.get("metrics", [])
        ]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as fault:
        raise MetricsUnavailable(f"MLflow's values of {metric} are not numbers with steps: {fault}") from None


class MlflowReader:
    """Reads runs and metric histories of one MLflow resource.

    ``endpoint`` replaces the host; only the laptop sets it. Raises MetricsUnavailable for everything
    that goes wrong.
    """

    def __init__(
        self,
        arn: str,
        *,
        region: str,
        account: str,
        credentials: Any,
        partition: str = "aws",
        endpoint: str = "",
        http: Any = None,
        sleep: Callable[[float], None] = time.sleep,
        budget_seconds: float = BUDGET_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        where = target(arn, region=region, account=account, partition=partition)
        base = endpoint.rstrip("/")
        self._target = where._replace(base=base, host=urlsplit(base).netloc) if base else where
        self._clock, self._end = clock, clock() + budget_seconds
        self._arn = arn
        self._credentials = credentials
        self._http = http or urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=30))
        self._sleep = sleep

    def run(self, run_id: str) -> dict[str, Any]:
        """A run with its latest metrics. Asked first: a history of an unknown run is merely empty."""
        return dict(self._get("runs/get", {"run_id": run_id})["run"])

    def history(self, run_id: str, metric: str) -> list[Point]:
        """All values of one metric in the server's order."""
        points: list[Point] = []
        params = {"run_id": run_id, "metric_key": metric, "max_results": PAGE_SIZE}
        for _ in range(MOST_PAGES):
            page = self._get("metrics/get-history", params)
            points += _points(metric, page)
            token = page.get("next_page_token")
            if not token:
                return points
            params["page_token"] = token
        raise MetricsUnavailable(f"{metric} has more than {MOST_PAGES} pages of values.")

    def _get(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        for attempt in range(1, TRIES + 1):
            status, body = self._send(path, params)
            if status == 200:
                return self._decoded(path, body)
            if status not in _RETRIED or attempt == TRIES or self._clock() > self._end:
                break
            self._sleep(0.5 * 2**attempt)
        shown = body[:300].decode("utf-8", "replace")
        raise MetricsUnavailable(f"MLflow answers {status or 'nothing'} to {path}: {shown}")

    def _send(self, path: str, params: Mapping[str, Any]) -> tuple[int, bytes]:
        if self._clock() > self._end:
            raise MetricsUnavailable(f"MLflow took too long; {path} was not asked any more.")
        try:
            request = signed(
                self._target, self._arn, self._credentials, method="GET", path=path, params=params
            )
        except UnicodeEncodeError:
            raise MetricsUnavailable(f"{path} cannot be asked for what is no text.") from None
        try:
            answer = self._http.request(
                "GET",
                request.url,
                headers=dict(request.headers.items()),
                preload_content=False,
                redirect=False,
            )
            with answer:
                body = answer.read(MAX_RESPONSE_BYTES + 1)
        except urllib3.exceptions.HTTPError as fault:
            return 503, str(fault).encode()
        if len(body) > MAX_RESPONSE_BYTES:
            raise MetricsUnavailable(f"MLflow's answer to {path} is larger than {MAX_RESPONSE_BYTES} bytes.")
        return answer.status, body

    @staticmethod
    def _decoded(path: str, body: bytes) -> dict[str, Any]:
        try:
            decoded = json.loads(body or b"{}")
        except ValueError:
            raise MetricsUnavailable(f"MLflow's answer to {path} is not JSON.") from None
        if not isinstance(decoded, dict):
            raise MetricsUnavailable(f"MLflow's answer to {path} is not a JSON object.")
        return decoded
