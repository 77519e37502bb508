"""Every place of the deployed code that calls AWS, read from the code itself, so that none is forgotten."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3

from tests.faults import wire
from tunestep.run_files import RunFiles
from tunestep.runs import Runs

ROOT = Path(wire.__file__).parents[2] / "tunestep"
NOT_DEPLOYED = ("local/", "cli/", "operate/")

CLIENTS = {
    **dict.fromkeys(("s3", "_s3"), "s3"),
    **dict.fromkeys(("dynamodb", "_dynamodb"), "dynamodb"),
    **dict.fromkeys(("lambda_", "lambda_once"), "lambda"),
    **{name: name for name in ("sagemaker", "iam", "stepfunctions", "sns", "secretsmanager", "sts", "logs")},
    "bedrock_runtime": "bedrock-runtime",
}
"""What clients are called in the code, and their services as boto3 calls them."""

ANY = ("client", "_client")
"""Names of clients whose service the code does not say."""

HELPERS: dict[str, tuple[type, str]] = {
    **dict.fromkeys(("runs", "_runs"), (Runs, "dynamodb")),
    **dict.fromkeys(("files", "_files"), (RunFiles, "s3")),
}
"""What makes calls on behalf of others, and whose: the place that asks it counts."""

TOKENS = "sfn"

Place = tuple[str, str, str]
"""(file below tunestep/, function, operation or, where a helper makes the call, service)"""


def in_the_code() -> set[Place]:
    """Every place that the deployed code calls AWS from."""
    found: set[Place] = set()
    for file in sorted(ROOT.rglob("*.py")):
        name = file.relative_to(ROOT).as_posix()
        if not name.startswith(NOT_DEPLOYED) and not f"/tunestep/{name}".endswith(wire._HELPERS):
            found |= {(name, function, what) for function, what in _calls(ast.parse(file.read_text()))}
    return found


def played(seen: set[tuple[str, str]]) -> set[Place]:
    """The places of (site, operation) pairs as the wire names them."""
    found: set[Place] = set()
    for site, operation in seen:
        file, _, line = site.partition(":")
        service, _, name = operation.partition(".")
        for what in (name, service):
            found.add((file, _function_at(file, int(line or 0)), what))
    return found


def _calls(tree: ast.Module) -> Iterator[tuple[str, str]]:
    operations = _operations()
    for function, node in _attributes(tree, ""):
        base = _last_name(node.value)
        if base in HELPERS and isinstance(node.value, ast.Attribute):
            helper, service = HELPERS[base]
            if hasattr(helper, node.attr) and node.attr != "uri":
                yield function, service
        elif base == "tokens" and node.attr in ("succeed", "fail"):
            yield function, TOKENS
        elif base in CLIENTS and node.attr in operations[CLIENTS[base]]:
            yield function, operations[CLIENTS[base]][node.attr]
        elif base in ANY:
            named = {known[node.attr] for known in operations.values() if node.attr in known}
            yield from ((function, name) for name in named)


def _attributes(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Attribute]]:
    """(name of the function around it, attribute) of everything below a node."""
    for child in ast.iter_child_nodes(node):
        inner = child.name if isinstance(child, ast.FunctionDef) else function
        if isinstance(child, ast.Attribute):
            yield inner, child
        yield from _attributes(child, inner)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


@functools.cache
def _operations() -> dict[str, dict[str, str]]:
    """By service: boto3's name of each method, and the operation's."""
    found: dict[str, dict[str, str]] = {}
    for service in set(CLIENTS.values()):
        client: Any = boto3.client(service, region_name="us-west-2")  # type: ignore[call-overload]
        found[service] = dict(client.meta.method_to_api_mapping)
    return found


@functools.cache
def _spans(file: str) -> list[tuple[int, int, str]]:
    tree = ast.parse((ROOT / file).read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [(node.lineno, node.end_lineno or node.lineno, node.name) for node in functions]


def _function_at(file: str, line: int) -> str:
    """The innermost function that a line belongs to."""
    if not (ROOT / file).is_file():
        return ""
    around = [span for span in _spans(file) if span[0] <= line <= span[1]]
    return min(around, key=lambda span: span[1] - span[0])[2] if around else ""
