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

_ARN = re.compile(
    r"arn:(?P<partition>aws|aws-us-gov):sagemaker:(?P<region>[a-z]{2}(-[a-z]+)+-\d):(?P<account>\d{12}):"
    r"(?P<kind>mlflow-app|mlflow-tracking-server)/[A-Za-z0-9][A-Za-z0-9-]{0,255}"
)
_RETRIED = frozenset({429, 500, 502, 503, 504})


class MetricsUnavailable(Exception):  # noqa: N818
    """Metrics cannot be read; the message says why. Never the end of a run: a stated gap."""


class Target(NamedTuple):
    """Where requests for one MLflow resource go and how they are signed."""

    base: str
    signing_name: str
    region: str
    header: str


class Point(NamedTuple):
    """One value of a metric. ``timestamp`` is in milliseconds since 1970."""

    step: int
    value: float
    timestamp: int


def target(arn: str, *, region: str, account: str) -> Target:
    """Host, signing name and routing header for an MLflow app or tracking server.

    The whole ARN has to match and lie in the run's own region and account, so that signed requests go
    to no other host. Raises MetricsUnavailable.
    """
    match = _ARN.fullmatch(arn)
    if match is None:
        raise MetricsUnavailable(f"{arn!r} is not the ARN of an MLflow app or tracking server.")
    if (match["region"], match["account"]) != (region, account):
        raise MetricsUnavailable(f"{arn} is not in account {account} and region {region}.")
    if match["kind"] == "mlflow-app":
        host, name, header = f"mlflow.sagemaker.{region}.app.aws", "sagemaker", "x-sm-mlflow-app-arn"
    else:
        host = f"{region}.experiments.sagemaker.aws"
        name, header = "sagemaker-mlflow", "x-mlflow-sm-tracking-server-arn"
    base = f"https://{host}"
    if urlsplit(base).netloc != host:
        raise MetricsUnavailable(f"{arn} does not make a host name.")
    return Target(base, name, region, header)


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
    """A signed request; ``path`` is below /api/2.0/mlflow/ and ``credentials`` are frozen botocore ones."""
    url = f"{where.base}/api/2.0/mlflow/{path}"
    if params:
        url += "?" + urlencode(params, quote_via=quote, safe="")
    data = b"" if body is None else json.dumps(body).encode()
    headers = {where.header: arn, "X-Amz-Content-SHA256": hashlib.sha256(data).hexdigest()}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = AWSRequest(method=method, url=url, data=data, headers=headers)
    SigV4Auth(credentials, where.signing_name, where.region).add_auth(request)
    return request


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
        endpoint: str = "",
        http: Any = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        where = target(arn, region=region, account=account)
        self._target = where._replace(base=endpoint.rstrip("/")) if endpoint else where
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
            points += [
                Point(int(entry.get("step", 0)), float(entry["value"]), int(entry.get("timestamp", 0)))
                for entry in page.get("metrics", [])
            ]
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
            if status not in _RETRIED or attempt == TRIES:
                break
            self._sleep(0.5 * 2**attempt)
        shown = body[:300].decode("utf-8", "replace")
        raise MetricsUnavailable(f"MLflow answers {status or 'nothing'} to {path}: {shown}")

    def _send(self, path: str, params: Mapping[str, Any]) -> tuple[int, bytes]:
        request = signed(self._target, self._arn, self._credentials, method="GET", path=path, params=params)
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
