"""All faults of a settings file at once, its schema, and its page."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from tunestep import settings_schema
from tunestep.cli.main import cli
from tunestep.settings import Settings
from tunestep.settings_faults import faults

ROOT = Path(__file__).resolve().parents[2]
FULL = ROOT / "tests" / "infra" / "full_settings.json"
KEY = "arn:aws:kms:us-west-2:123456789012:key/66666666-7777-8888-9999-000000000000"


@pytest.mark.parametrize("document", [None, {}, json.loads(FULL.read_text())], ids=["empty", "none", "full"])
def test_settings_that_deploy_have_no_fault(document: Any) -> None:
    assert faults(document) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stacc: x", {"$.stacc": "Did you mean stack?"}),
        ("allowed: {locatons: []}", {"$.allowed.locatons": "Did you mean locations?"}),
        ("max_runtime: soon", {"$.max_runtime": "90s, 45m, 6h or 3d"}),
        ("log_retention_days: many", {"$.log_retention_days": "whole number"}),
        ("log_retention_days: 91", {"$.log_retention_days": "The nearest is 90."}),
        ("stack: Bad_Name", {"$.stack": "at most 24 characters"}),
        ("kms_key: alias/mine", {"$.kms_key": "the ARN of a KMS key"}),
        ("permissions_boundary: mine", {"$.permissions_boundary": "the ARN of an IAM policy"}),
        ("allowed: {locations: ['s3://b-1/*', 's3://b-2/x']}", {
            "$.allowed.locations[0]": "s3://bucket/prefix/", "$.allowed.locations[1]": "s3://bucket/prefix/",
        }),
        ("allowed: {locations: ['s3://tunestep-123456789012-us-west-2/requests/']}", {
            "$.allowed.locations[0]": "the stack's own bucket",
        }),
        ("approvers: [{id: a}, {id: a}]", {"$.approvers[1]": "share the topic"}),
        ("schedules: [{name: n, at: rate(1 day)}]", {"$.schedules[0]": "a preset or a request"}),
        ("[]", {"$": "must be an object"}),
        ("stacc: x\nmax_runtime: soon\nlimits: {max_tokens: 0}", {
            "$.stacc": "stack", "$.max_runtime": "90s", "$.limits.max_tokens": "1",
        }),
    ],
)  # fmt: skip
def test_every_fault_is_named_with_its_path_and_what_is_wanted(text: str, expected: dict[str, str]) -> None:
    found = {fault.where: f"{fault.message} {fault.fix}" for fault in faults(yaml.safe_load(text))}
    assert found.keys() == expected.keys()
    for path, said in expected.items():
        assert said in found[path]


def test_faults_that_need_whole_settings_come_together() -> None:
    found = faults({"stack": "Bad_Name", "log_retention_days": 2, "kms_key": "x"})
    assert {fault.where for fault in found} == {"$.stack", "$.log_retention_days", "$.kms_key"}


def test_the_command_says_all_of_it_and_exits_with_2(tmp_path: Path) -> None:
    file = tmp_path / "tunestep.yaml"
    file.write_text("stacc: x\nmax_runtime: soon\n")
    said = CliRunner().invoke(cli, ["settings", "check", str(file)])
    assert said.exit_code == 2
    assert "$.stacc" in said.output and "$.max_runtime" in said.output
    as_data = CliRunner().invoke(cli, ["settings", "check", str(file), "--json"])
    assert as_data.exit_code == 2
    read = json.loads(as_data.output)
    assert (read["ok"], len(read["faults"])) == (False, 2)
    assert set(read["faults"][0]) == {"path", "message", "fix"}


def test_the_command_says_that_a_file_can_be_deployed() -> None:
    said = CliRunner().invoke(cli, ["settings", "check", str(FULL)])
    assert (said.exit_code, "can be deployed" in said.output.replace("\n", " ")) == (0, True)


def test_the_command_prints_what_the_key_s_policy_needs() -> None:
    said = CliRunner().invoke(cli, ["settings", "key-policy", str(FULL)])
    assert said.exit_code == 0
    assert {rule["Effect"] for rule in json.loads(said.output)} == {"Allow"}


def test_schema_and_type_are_in_step() -> None:
    assert settings_schema.FILE.read_text(encoding="utf-8") == settings_schema.text(), (
        "run: python -m tunestep.settings_schema > tunestep/settings.schema.json"
    )


def test_an_editor_takes_the_full_settings_and_marks_a_misspelling() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(settings_schema.build())
    assert list(validator.iter_errors(json.loads(FULL.read_text()))) == []
    assert list(validator.iter_errors({"stacc": "x"}))


def _fields(kind: msgspec.inspect.Type, path: str) -> set[str]:
    """Paths of every field below a type; ``[]`` is any entry of a list."""
    match kind:
        case msgspec.inspect.StructType():
            below = [(f"{path}.{field.encode_name}".lstrip("."), field.type) for field in kind.fields]
            return {name for name, _ in below}.union(*(_fields(inner, name) for name, inner in below))
        case msgspec.inspect.VarTupleType():
            return _fields(kind.item_type, f"{path}[]")
        case msgspec.inspect.UnionType():
            return set().union(*(_fields(inner, path) for inner in kind.types))
        case msgspec.inspect.Metadata():
            return _fields(kind.type, path)
    return set()


def test_every_field_stands_in_the_page_once_and_none_that_is_gone() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \|", page, re.MULTILINE)
    described = [name.strip("`") for row in rows for name in row.split(", ")]
    assert sorted(described) == sorted(_fields(msgspec.inspect.type_info(Settings), ""))


def test_the_schema_s_patterns_mean_to_an_editor_what_they_mean_here() -> None:
    assert not re.search(r"\\\\[AZ]", settings_schema.text()), "only Python knows these"
