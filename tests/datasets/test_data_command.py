"""``tunestep data``: exit codes, reports and files as a person meets them."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from moto import mock_aws

from tests.datasets.samples import lines, right, written
from tunestep import aws
from tunestep.cli.data import data
from tunestep.cli.failure import CliError


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(data, [*arguments])


def _check(path: Path, *more: str) -> Result:
    return _run("check", str(path), "--technique", "SFT", "--model", "meta-textgeneration-llama", *more)


def test_right_data_ends_with_0_and_is_described(tmp_path: Path) -> None:
    result = _check(written(tmp_path, lines([right("chat")])))

    assert result.exit_code == 0
    assert "1 (0 wrong)" in result.output
    assert "chat" in result.output


def test_wrong_data_ends_with_2_and_names_the_line(tmp_path: Path) -> None:
    path = written(tmp_path, lines([right("chat"), {"messages": []}]))
    result = _check(path)

    assert result.exit_code == 2
    assert f"NO_MESSAGES at {path} line 2: 1 row: $.messages should be" in result.output


def test_rows_alone_are_checked_as_closely_and_nothing_of_them_is_counted(tmp_path: Path) -> None:
    rows = [right("chat"), right("chat"), {"messages": []}]
    result = _check(written(tmp_path, lines(rows)), "--rows-only", "--json")

    report = json.loads(result.output)
    assert result.exit_code == 2
    assert [group["rule"] for group in report["training"]["groups"]] == ["NO_MESSAGES"]
    assert report["training"]["rows"] == 3
    assert {"duplicates", "lengths", "content_sha256"}.isdisjoint(report["training"])


def test_json_is_the_whole_report(tmp_path: Path) -> None:
    result = _check(written(tmp_path, lines([{"messages": []}])), "--json")

    report = json.loads(result.output)
    assert report["ok"] is False
    assert report["training"]["groups"][0]["rule"] == "NO_MESSAGES"


def test_the_findings_file_has_every_fault_and_is_the_owners_alone(tmp_path: Path) -> None:
    findings = tmp_path / "findings.jsonl"
    _check(written(tmp_path, b"[]\n" * 30), "--findings", str(findings))

    assert [json.loads(line)["line"] for line in findings.read_text().splitlines()] == list(range(1, 31))
    assert findings.stat().st_mode & 0o077 == 0


def test_a_nova_model_takes_novas_formats(tmp_path: Path) -> None:
    path = written(tmp_path, lines([right("chat")]))
    result = _run("check", str(path), "--technique", "SFT", "--model", "amazon.nova-2-lite-v1")

    assert result.exit_code == 2
    assert "tunestep data convert FILE OUT --to nova_conversation" in result.output
    assert "TOO_FEW_ROWS" in result.output


def test_convert_writes_the_other_format(tmp_path: Path) -> None:
    path = written(tmp_path, lines([right("chat")] * 3))
    result = _run("convert", str(path), str(tmp_path / "out.jsonl"), "--to", "nova_conversation", "--json")

    assert json.loads(result.output)["rows"] == 3
    assert '"schemaVersion"' in (tmp_path / "out.jsonl").read_text().splitlines()[2]


def test_convert_writes_nothing_when_a_row_cannot_be_converted(tmp_path: Path) -> None:
    path = written(tmp_path, lines([right("chat"), right("chat", 2)]))
    out = tmp_path / "out.jsonl"
    result = _run("convert", str(path), str(out), "--to", "nova_conversation")

    assert isinstance(result.exception, CliError)
    assert "file 1 line 2" in str(result.exception)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["train.jsonl"]

    assert _run("convert", str(path), str(out), "--to", "nova_conversation", "--skip").exit_code == 0
    assert len(out.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "command", [("check", "--technique", "SFT", "--model", "m"), ("convert", "out", "--to", "chat")]
)
def test_a_path_that_is_not_there_is_one_message(command: tuple[str, ...], tmp_path: Path) -> None:
    name, *more = command
    more = [str(tmp_path / "out") if word == "out" else word for word in more]
    result = _run(name, str(tmp_path / "none"), *more)

    assert isinstance(result.exception, CliError)
    assert "cannot be read" in str(result.exception)


def test_a_files_name_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    written(tmp_path, b"[]\n", "a\n\x1b[31m.jsonl")
    written(tmp_path, b"[]\n", "b.jsonl")
    result = _check(tmp_path)

    assert "b.jsonl" in result.output
    assert "\x1b" not in result.output


ARN = "arn:aws:sagemaker:us-west-2:123456789012:hub-content/H/DataSet/rows/1.0.0"


class _Registry:
    """DescribeHubContent for the one DataSet; ``code`` is what everything is refused with."""

    code = ""

    def describe_hub_content(self, **call: str) -> dict[str, Any]:
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "DescribeHubContent")
        known = call["HubContentName"] == "rows"
        document = {"DatasetS3Bucket": "bucket", "DatasetS3Prefix": "rows/"} if known else {}
        return {"HubContentDocument": json.dumps(document)}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    with mock_aws():
        clients = SimpleNamespace(s3=boto3.client("s3", region_name="us-east-1"), sagemaker=_Registry())
        clients.s3.create_bucket(Bucket="bucket")
        clients.s3.put_object(Bucket="bucket", Key="rows/a.jsonl", Body=lines([right("chat")]))
        clients.s3.put_object(Bucket="bucket", Key="rows/b.jsonl", Body=lines([{"messages": []}]))
        monkeypatch.setattr(aws, "Clients", lambda: clients)
        yield clients


@pytest.mark.parametrize("place", ["s3://bucket/rows/", ARN])
def test_a_prefix_and_a_registered_data_set_are_checked_where_they_lie(
    place: str, cloud: SimpleNamespace
) -> None:
    result = _run("check", place, "--technique", "SFT", "--model", "m")

    assert result.exit_code == 2
    assert f"NO_MESSAGES at {place} file 2 of 2 line 1" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arn", "code", "said"),
    [
        (ARN.replace("DataSet", "Model"), "", "not the ARN of a registered DataSet"),
        (ARN.replace("/rows/", "/other/"), "", "names no place"),
        (ARN, "AccessDenied", "cannot be read from the registry (denied)"),
        (ARN, "ResourceNotFound", "cannot be read from the registry (absent)"),
    ],
)
def test_a_data_set_that_is_not_to_be_found_is_one_message(
    arn: str, code: str, said: str, cloud: SimpleNamespace
) -> None:
    cloud.sagemaker.code = code
    result = _run("check", arn, "--technique", "SFT", "--model", "m")

    assert isinstance(result.exception, CliError)
    assert said in str(result.exception)


def test_a_service_that_is_busy_is_another_try_and_exit_code_1(cloud: SimpleNamespace) -> None:
    cloud.sagemaker.code = "ThrottlingException"
    result = _run("check", ARN, "--technique", "SFT", "--model", "m")

    assert isinstance(result.exception, CliError)
    assert result.exception.code == 1
    assert "Try again later" in str(result.exception)
