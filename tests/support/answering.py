"""An AWS account as a table of answers: real boto3 clients, of which only the HTTP exchange is replaced.

Parameters are validated by botocore, answers here against the published output shapes, so that no test can
rest on a member that the service does not have.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from botocore.validate import ParamValidator

from tests.support.world_clients import Refused
from tunestep.aws import Clients

Answers = dict[str, Any]
"""By operation: the answer, a Refused to raise, or a function of the parameters that gives either."""

MODEL = {
    "HubContentName": "m",
    "HubContentArn": "arn:aws:sagemaker:us-west-2:aws:hub-content/h/Model/m/1.0.0",
    "HubContentVersion": "1.0.0",
    "HubContentType": "Model",
    "DocumentSchemaVersion": "2.3.0",
    "HubContentStatus": "Available",
    "CreationTime": 0,
}
"""A model of the public hub, as it is listed."""


class _Http(NamedTuple):
    status_code: int


@contextmanager
def account(region: str) -> Iterator[tuple[Answers, Clients]]:
    """One account whose answers tests change; making clients is what costs time."""
    answers: Answers = {}
    with pytest.MonkeyPatch.context() as patch:
        yield answers, answering(answers, patch, region)


def answering(answers: Answers, monkeypatch: Any, region: str = "us-west-2") -> Clients:
    """Clients of a session whose calls are answered from the table; an operation that is not in it fails."""
    for name, value in {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}.items():
        monkeypatch.setenv(name, value)
    clients = Clients(region=region)
    pending: dict[str, Any] = {}

    def remember(params: dict[str, Any], **_: Any) -> None:
        pending.clear()
        pending.update(params)

    def answer(model: Any, **_: Any) -> tuple[_Http, dict[str, Any]]:
        assert model.name in answers, f"nobody prepared {model.name}"
        found = answers[model.name]
        try:
            told = found(dict(pending)) if isinstance(found, Callable) else found  # type: ignore[arg-type]
            if isinstance(told, Refused):
                raise told
        except Refused as fault:
            error = {"Error": {"Code": fault.code, "Message": fault.message}}
            return _Http(fault.status), {**error, "ResponseMetadata": {"HTTPStatusCode": fault.status}}
        if model.output_shape is not None:
            report = ParamValidator().validate(told, model.output_shape)
            assert not report.has_errors(), (model.name, report.generate_report())
        return _Http(200), {**told, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}

    clients.session.events.register("provide-client-params.*.*", remember)
    clients.session.events.register("before-call.*.*", answer)
    return clients
