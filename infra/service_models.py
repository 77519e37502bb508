"""Cuts botocore's description of AWS down to what the functions call.

botocore reads the whole model of a service to make a client, and its models are most of its size. Which
services and operations are needed is read from the sources: every word in them that is the name of a
botocore method keeps that operation, so something may be kept in vain but nothing that is called is lost.
``python -m infra.service_models`` prints the list.
"""

import ast
import gzip
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore import xform_name

FACTORIES = ("_make", "client")
"""Calls whose first argument is the name of a service."""

BY_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "SecretsProvider": ("get_secret_value",),
    "upload_file": ("put_object", "create_multipart_upload", "upload_part", "complete_multipart_upload"),
    "upload_fileobj": ("put_object", "create_multipart_upload", "upload_part", "complete_multipart_upload"),
    "download_file": ("head_object", "get_object"),
    "download_fileobj": ("head_object", "get_object"),
}
"""Methods that a library calls for us, by the word that stands in our sources."""

_KEPT_FILES = ("service-2.json", "endpoint-rule-set-1.json", "paginators-1.json")
_KEPT_TOP = ("_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json")

Needed = dict[str, frozenset[str]]
"""Methods by service, as botocore's clients name them."""


class ModelMissing(RuntimeError):  # noqa: N818
    """The models lack a service or an operation that the sources use; the message names it."""


def needed(sources: Iterable[Path], data: Path) -> Needed:
    """What the sources use of the models in botocore's folder of data. Raises ModelMissing."""
    services: set[str] = set()
    words: set[str] = set()
    for source in sources:
        tree = ast.parse(source.read_text(encoding="utf-8"))
        services.update(_services(tree))
        words.update(_words(tree))
    for word in words & set(BY_LIBRARIES):
        words.update(BY_LIBRARIES[word])
    found = {}
    for service in sorted(services):
        operations = frozenset(xform_name(name) for name in _model(data, service)["operations"])
        found[service] = operations & words
    return found


def _services(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Attribute):
            first = node.args[0]
            if node.func.attr in FACTORIES and isinstance(first, ast.Constant):
                yield str(first.value)


def _words(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def prune(data: Path, keep: Needed) -> None:
    """Cut botocore's folder of data down, in place; the same input gives the same files.

    Raises ModelMissing when what is left would not do.
    """
    for entry in sorted(data.iterdir()):
        if entry.is_dir() and entry.name not in keep:
            shutil.rmtree(entry)
        elif entry.is_file() and entry.name.removesuffix(".gz") not in _KEPT_TOP:
            entry.unlink()
    for service, methods in keep.items():
        _prune_service(_version(data, service), methods)
    _prune_endpoints(data, {_model(data, service)["metadata"]["endpointPrefix"] for service in keep})
    check(data, keep)


def check(data: Path, keep: Needed) -> None:
    """Raises ModelMissing naming the first service or method that the models do not have."""
    for service, methods in keep.items():
        model = _model(data, service)
        there = {xform_name(name) for name in model["operations"]}
        for method in sorted(methods - there):
            raise ModelMissing(f"botocore's model of {service} has no {method}, which the functions call")
        for shape in sorted(_reachable(model, model["operations"]) - set(model["shapes"])):
            raise ModelMissing(f"botocore's model of {service} lacks the shape {shape}")


def _prune_service(folder: Path, methods: frozenset[str]) -> None:
    contents = {path.name.removesuffix(".gz"): _read(path) for path in folder.iterdir()}
    shutil.rmtree(folder)
    folder.mkdir()
    model = contents["service-2.json"]
    kept = {name: each for name, each in model["operations"].items() if xform_name(name) in methods}
    model["operations"] = _without_prose(kept)
    shapes = _reachable(model, kept)
    model["shapes"] = {
        name: _without_prose(shape) for name, shape in model["shapes"].items() if name in shapes
    }
    if "paginators-1.json" in contents:
        pages = contents["paginators-1.json"]["pagination"]
        contents["paginators-1.json"]["pagination"] = {n: page for n, page in pages.items() if n in kept}
    for name in _KEPT_FILES:
        if name in contents:
            text = json.dumps(contents[name], separators=(",", ":"))
            (folder / name).write_text(text, encoding="utf-8")


def _prune_endpoints(data: Path, prefixes: set[str]) -> None:
    (path,) = data.glob("endpoints.json*")
    endpoints = _read(path)
    for partition in endpoints["partitions"]:
        partition["services"] = {
            name: each for name, each in partition["services"].items() if name in prefixes
        }
    path.unlink()
    (data / "endpoints.json").write_text(json.dumps(endpoints, separators=(",", ":")), encoding="utf-8")


def _reachable(model: Mapping[str, Any], operations: Mapping[str, Any]) -> set[str]:
    """Names of the shapes that operations refer to, directly and through other shapes."""
    todo = [name for operation in operations.values() for name in _references(operation)]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(_references(model["shapes"].get(name, {})))
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        if isinstance(value.get("shape"), str):
            yield value["shape"]
        for item in value.values():
            yield from _references(item)


def _without_prose(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_prose(item) for item in value]
    if isinstance(value, dict):
        return {
            key: _without_prose(item)
            for key, item in value.items()
            if not (key == "documentation" and isinstance(item, str))
        }
    return value


def _version(data: Path, service: str) -> Path:
    """The newest version of a service's model, which is the one that botocore loads."""
    versions = sorted(data.glob(f"{service}/*/service-2.json*"))
    if not versions:
        raise ModelMissing(f"botocore has no model of {service}, which the functions use")
    return versions[-1].parent


def _model(data: Path, service: str) -> Any:
    (path,) = _version(data, service).glob("service-2.json*")
    return _read(path)


def _read(path: Path) -> Any:
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


if __name__ == "__main__":
    import botocore

    from infra.bundle import Bundle

    for service, methods in needed(
        Bundle(lock=None).modules(), Path(botocore.__file__).parent / "data"
    ).items():
        print(f"{service}: {', '.join(sorted(methods))}")
