"""``tunestep report`` against a stack: signed by the caller, for minutes, and seen by the browser alone."""

import webbrowser
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.cli.in_process import Outcome, tunestep
from tunestep.aws import Clients
from tunestep.cli import report as command
from tunestep.cli.target import Target

BUCKET = "tunestep-123456789012-us-west-2"
Command = Callable[..., Outcome]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the browser was told to show."""
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(shown.append(address)) or True)
    return shown


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any) -> Any:
    """The command against a stack whose run r1 has a report and r2 has none."""
    monkeypatch.chdir(tmp_path)
    with mock_aws():
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMINE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
        s3 = Clients(region="us-west-2").s3
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        s3.put_object(Bucket=BUCKET, Key="runs/r1/report.html", Body=b"<!doctype html>")
        target = Target(
            stack="tunestep",
            region="us-west-2",
            account="123456789012",
            clients=SimpleNamespace(s3=s3),  # type: ignore[arg-type]
            flag="--stack tunestep",
        )
        monkeypatch.setattr(command, "open_target", lambda **_: target)
        monkeypatch.setattr(command.runs, "resolve", lambda _target, name: name)
        yield lambda *arguments: tunestep(capsys, "report", *arguments, "--stack", "tunestep")


def test_open_signs_for_five_minutes_with_the_callers_key_and_shows_nobody_the_link(
    report: Command, opened: list[str]
) -> None:
    done = report("r1", "--open")
    assert done.out.strip() == f"s3://{BUCKET}/runs/r1/report.html"
    assert "X-Amz" not in done.out + done.err
    assert "Signature" not in done.out + done.err
    (link,) = opened
    query = parse_qs(urlsplit(link).query)
    assert urlsplit(link).path.endswith("/runs/r1/report.html")
    assert 0 < int(query["X-Amz-Expires"][0]) <= 300
    assert query["X-Amz-Credential"][0].startswith("AKIAMINE/")


def test_without_open_nothing_is_signed(report: Command, opened: list[str]) -> None:
    assert report("r1", "--json").json == {"run_id": "r1", "report": f"s3://{BUCKET}/runs/r1/report.html"}
    assert opened == []


def test_a_copy_is_opened_from_the_disk(report: Command, opened: list[str], tmp_path: Any) -> None:
    assert report("r1", "-o", "copy.html", "--open").out.strip() == "copy.html"
    assert (tmp_path / "copy.html").read_bytes() == b"<!doctype html>"
    assert opened == [(tmp_path / "copy.html").as_uri()]


def test_a_place_that_cannot_be_written_to_is_named(report: Command) -> None:
    done = report("r1", "-o", "no/such/folder/copy.html")
    assert done.code == 1
    assert "could not write no/such/folder/copy.html" in done.err


def test_a_run_without_a_report_says_when_there_will_be_one(report: Command) -> None:
    done = report("r2")
    assert done.code == 1
    assert "written at the end of a run: tunestep status r2 --stack tunestep" in done.err


def test_a_refusal_of_s3_is_shown_as_such(report: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")

    def refuse(*_: Any) -> None:
        raise denied

    monkeypatch.setattr(command, "_there", refuse)
    done = report("r1")
    assert done.code == 1
    assert "403" in done.err


def test_a_machine_without_a_browser_says_what_to_do(
    report: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _address: False)
    done = report("r1", "--open")
    assert done.code == 1
    assert "-o FILE" in done.err
    assert "X-Amz" not in done.err
