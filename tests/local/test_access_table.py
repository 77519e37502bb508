"""The table of operations: the actions are real, and every call that our code makes has a row."""

import ast
import json
from pathlib import Path

import botocore.session
import cfnlint
import pytest
from botocore import xform_name

from tunestep.local.access.operations import SERVICES

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = json.loads(
    (Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "Policies.json").read_text()
)
"""The Service Authorization Reference as cfn-lint has it: actions and their resource types in lower case."""

NEEDS = [
    pytest.param(service, operation, need, id=f"{service}-{operation}-{need.action}")
    for service, page in SERVICES.items()
    for operation, needs in page.operations.items()
    for need in needs
]
CLIENTS = {"lambda": "lambda", "states": "stepfunctions", "bedrock": "bedrock-runtime"}
"""boto3's names of services that are signed for under another one."""

NOT_OURS = ("tunestep/cli/", "tunestep/local/", "tunestep/operate/")
"""What runs with the user's credentials."""

ALSO = ("tunestep/local/training/",)
"""What runs with those of the execution role all the same."""

OWN_METHODS = {"describe_job", "describe_model"}
"""Methods of our own classes that an operation of AWS's is named like."""

PLAIN_WORDS = {"publish", "invoke", "query", "scan", "send_message"}


@pytest.mark.parametrize(("service", "operation", "need"), NEEDS)
def test_every_action_is_one_of_the_reference(service, operation, need):
    prefix, _, action = need.action.partition(":")
    known = REFERENCE[prefix]["Actions"]
    assert action.lower() in known
    if need.resource == "*":
        assert not known[action.lower()].get("Resources"), "the reference names resources for it"


@pytest.mark.parametrize(("service", "operation", "need"), NEEDS)
def test_every_resource_is_of_a_type_that_the_reference_lists_for_the_action(service, operation, need):
    prefix, _, action = need.action.partition(":")
    types = REFERENCE[prefix]["Actions"][action.lower()].get("Resources", [])
    kind = (
        need.resource.split(":", 5)[5].split("/")[0].split(":")[0] if need.resource.startswith("arn:") else ""
    )
    kind = {"function": "function", "log-group": "log-"}.get(kind, kind)
    if not kind or prefix == "s3":
        return
    if prefix == "dynamodb":
        kind = "table"
    assert any(listed.startswith(kind) for listed in types), (kind, types)


def _client_methods() -> dict[str, set[str]]:
    """boto3 method names of the services in the table, with their operations."""
    session = botocore.session.Session()
    found: dict[str, set[str]] = {}
    for service in SERVICES:
        if service == "sagemaker-mlflow":
            continue
        model = session.get_service_model(CLIENTS.get(service, service))
        for operation in model.operation_names:
            found.setdefault(xform_name(operation), set()).add(f"{service} {operation}")
    return found


def _called() -> set[str]:
    names = set()
    for path in [*(ROOT / "tunestep").rglob("*.py"), *(ROOT / "lambdas").rglob("*.py")]:
        relative = path.relative_to(ROOT).as_posix()
        if relative.startswith(NOT_OURS) and not relative.startswith(ALSO):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            # The operation of a paginator is a text.
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get_paginator":
                names |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return names


def test_every_call_of_our_code_has_a_row():
    rows = {f"{service} {operation}" for service, page in SERVICES.items() for operation in page.operations}
    methods = _client_methods()
    named = _called() - OWN_METHODS
    called = {name for name in named if name in methods and ("_" in name or name in PLAIN_WORDS)}
    without = {name: methods[name] for name in called if not methods[name] & rows}
    assert without == {}
    assert {"put_item", "create_training_job", "head_object", "send_task_success", "publish"} <= called


def test_s3_operations_are_told_from_requests_by_what_the_api_reference_says():
    """The operation that botocore sends by each method and path is the one that the table reads."""
    from tunestep.local.access.calls import _S3_OPERATIONS  # noqa: PLC0415

    rows = set(SERVICES["s3"].operations)
    assert set(_S3_OPERATIONS.values()) <= rows
