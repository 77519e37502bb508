"""Running app.py as a user would, and reading what it wrote."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.definition import resolve

REPOSITORY = Path(__file__).resolve().parents[2]
FULL_SETTINGS = Path(__file__).with_name("full_settings.json")
FULL_STACK = "abcdefghijklmnopqrstuvwx"


def function_role(verb: str) -> str:
    """The name of a function's role within the template."""
    return "Functions" + "".join(word.capitalize() for word in verb.split("_")) + "Role"


def run_app(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run app.py in a folder, with an environment that holds no credentials and no home."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TUNESTEP_SYNTH": "local",
        "CDK_VALIDATION": "false",
    }
    return subprocess.run(  # noqa: S603 - our own entry point
        [sys.executable, str(REPOSITORY / "app.py")],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def of_type(template: Mapping[str, Any], type_: str) -> dict[str, dict[str, Any]]:
    """Properties of every resource of a type, by logical id."""
    return {
        logical_id: resource.get("Properties", {})
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == type_
    }


def statements(template: Mapping[str, Any], role: str) -> list[dict[str, Any]]:
    """Every statement of the role whose logical id starts with a prefix; actions and resources as lists."""
    roles = of_type(template, "AWS::IAM::Role")
    (properties,) = [found for logical_id, found in roles.items() if logical_id.startswith(role)]
    return list(_statements(properties, template))


def all_statements(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every statement of every role."""
    return [
        statement
        for properties in of_type(template, "AWS::IAM::Role").values()
        for statement in _statements(properties, template)
    ]


def _statements(role: Mapping[str, Any], template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in role.get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            # The queue has no fixed name, and its ARN says nothing that a test asks for.
            text = _without_queue(statement)
            readable = resolve(text, template["Resources"])
            yield {**readable, "Action": _list(readable["Action"]), "Resource": _list(readable["Resource"])}


def _without_queue(statement: Mapping[str, Any]) -> Any:
    return {**statement, "Resource": [_queue_in_words(found) for found in _list(statement["Resource"])]}


def _queue_in_words(resource: Any) -> Any:
    if isinstance(resource, dict) and resource.get("Fn::GetAtt", [""])[0].startswith("Undelivered"):
        return "the queue of undelivered events"
    return resource


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
