"""cdk-nag's AwsSolutions pack at synthesis: no finding without an acknowledgment on its own resource."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.acknowledged import why
from infra.wildcards import BELOW
from tests.infra.support import FULL_SETTINGS, FULL_STACK, REPOSITORY, all_statements

KEY = "aws:cdk:acknowledged-rules"


def _nag(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "tests.infra.nag", *arguments],
        cwd=folder,
        env={
            # No Node but the wheel's.
            "PATH": "",
            "HOME": str(folder),
            "PYTHONPATH": str(REPOSITORY),
            "CDK_VALIDATION": "true",
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def _violations(folder: Path) -> list[tuple[str, str]]:
    """Rule and place of every finding in the report of the last synthesis."""
    report = json.loads((folder / "cdk.out" / "validation-report.json").read_text())
    return [
        (violation["ruleName"], construct["constructPath"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]


def _acknowledged(folder: Path, stack: str) -> dict[str, dict[str, str]]:
    """Reasons by rule, by the path of the construct that bears them."""
    metadata = json.loads((folder / "cdk.out" / f"{stack}.metadata.json").read_text())
    found: dict[str, dict[str, str]] = {}
    for path, entries in metadata.items():
        for entry in entries:
            if entry["type"] == KEY:
                found.setdefault(path, {}).update(entry["data"])
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "stack"),
    [
        pytest.param(None, "tunestep", id="default"),
        pytest.param({}, FULL_STACK, id="full"),
        pytest.param({"mlflow_app": "create"}, FULL_STACK, id="an app of its own"),
    ],
)
def test_every_finding_is_acknowledged_with_a_reason_on_its_own_resource(
    changed: dict[str, Any] | None, stack: str, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(json.loads(FULL_SETTINGS.read_text()) | (changed or {})))
    done = _nag(tmp_path, *([str(settings)] if changed is not None else []))
    assert done.returncode == 0, _violations(tmp_path)
    acknowledged = _acknowledged(tmp_path, stack)
    assert acknowledged
    for path, reasons in acknowledged.items():
        assert path.count("/") >= 3, path
        assert all(len(reason) > 20 for reason in reasons.values()), reasons


@pytest.mark.slow
def test_without_its_acknowledgments_the_stack_would_not_synthesize(tmp_path: Path) -> None:
    done = _nag(tmp_path, "--forget")
    assert done.returncode != 0
    rules = {rule.partition("[")[0] for rule, _ in _violations(tmp_path)}
    assert rules == {"AwsSolutions-APIG4", "AwsSolutions-IAM5", "AwsSolutions-L1", "AwsSolutions-S1"}


def test_a_wildcard_without_a_reason_stops_the_synthesis() -> None:
    with pytest.raises(KeyError, match="secret"):
        why("arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:*")


def test_every_reason_for_a_wildcard_is_for_one_that_is_there(full_template: dict[str, Any]) -> None:
    resources = {text for rule in all_statements(full_template) for text in rule["Resource"] if "*" in text}
    given = {why(text) for text in resources if text != "*"}
    assert given == set(BELOW.values())
