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
        ("allowed: {subnets: [x], security_groups: [y], model_package_groups: [a_b]}", {
            "$.allowed.subnets[0]": "the subnets of a VPC", "$.allowed.security_groups[0]": "security groups",
            "$.allowed.model_package_groups[0]": "letters, digits and hyphens",
        }),
        ("account: '12'\nregion: Oregon", {"$.account": "the 12 digits", "$.region": "such as us-west-2"}),
        ("account: 111122223333", {"$.account": "Put it in quotes."}),
        ("notice_emails: [nobody]", {"$.notice_emails[0]": "like ann@example.com"}),
        ("tags: {'aws:x': y, ok: 'a;b'}", {
            "$.tags['aws:x']": "not beginning with aws:", "$.tags.ok": "at most 256",
        }),
        ("tags: {TUNESTEP:run: y}", {"$.tags['TUNESTEP:run']": "or tunestep:"}),
        (f"tags: {{{', '.join(f't{n}: x' for n in range(41))}}}", {"$.tags": "at most 40 tags"}),
        (f"region: us-east-1\nkms_key: {KEY}", {"$.kms_key": "Name a key of us-east-1."}),
        ("limits: {max_cost_usd: 5}", {"$.limits.max_cost_usd": "Set `prices`"}),
        ("budgets: {per_month: {max_cost_usd: 5}}", {"$.budgets.per_month.max_cost_usd": "Set `prices`"}),
        ("sources: {events: {max_cost_usd: 5}}", {"$.sources.events.max_cost_usd": "Set `prices`"}),
        ("slack: {team: x, app_id: y, channel: z, secret: a b}", {
            "$.slack.team": "T...", "$.slack.app_id": "A...", "$.slack.channel": "C...",
            "$.slack.secret": "the name of a secret",
        }),
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


def test_without_a_file_the_defaults_are_checked_and_a_file_that_is_named_has_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(cli, ["settings", "check"])
    assert (said.exit_code, said.output) == (
        0,
        "There is no tunestep.yaml here; the defaults can be deployed.\n",
    )
    assert CliRunner().invoke(cli, ["settings", "check", "other.yaml"]).exit_code != 0


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


def _patterns(kind: msgspec.inspect.Type, path: str) -> dict[str, str]:
    """What a message says is wanted, by the path of every text that has to match a pattern."""
    match kind:
        case msgspec.inspect.StructType():
            found = [_patterns(field.type, f"{path}.{field.name}") for field in kind.fields]
        case msgspec.inspect.VarTupleType():
            found = [_patterns(kind.item_type, f"{path}[]")]
        case msgspec.inspect.UnionType():
            found = [_patterns(inner, path) for inner in kind.types]
        case msgspec.inspect.Metadata():
            inner = _patterns(kind.type, path)
            said = str((kind.extra_json_schema or {}).get("description", ""))
            return dict.fromkeys(inner, said)
        case msgspec.inspect.StrType() if kind.pattern:
            return {path: ""}
        case _:
            return {}
    return {name: said for part in found for name, said in part.items()}


def test_nobody_has_to_read_a_pattern_to_mend_settings() -> None:
    patterns = _patterns(msgspec.inspect.type_info(Settings), "$")
    assert len(patterns) > 15
    assert [path for path, said in patterns.items() if not said] == []


def test_every_field_stands_in_the_page_once_and_none_that_is_gone() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \|", page, re.MULTILINE)
    described = [name.strip("`") for row in rows for name in row.split(", ")]
    assert sorted(described) == sorted(_fields(msgspec.inspect.type_info(Settings), ""))


def test_the_schema_s_patterns_mean_to_an_editor_what_they_mean_here() -> None:
    assert not re.search(r"\\\\[AZ]", settings_schema.text()), "only Python knows these"
