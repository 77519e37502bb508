"""What is left of botocore: exactly what the functions call, and a failure when something is missing."""

import json
import shutil
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.session import Session

from infra.bundle import Bundle
from infra.service_models import ModelMissing, check, needed, prune
from tests.infra.support import function_role, statements
from tunestep import names

DATA = Path(botocore.__file__).parent / "data"

SERVICES = {
    "bedrock": "bedrock-runtime",
    "dynamodb": "dynamodb",
    "iam": "iam",
    "lambda": "lambda",
    "logs": "logs",
    "sagemaker": "sagemaker",
    "sns": "sns",
    "states": "stepfunctions",
}
"""Services of botocore by the prefix of their IAM actions, where actions are operations of the same name."""

NO_CALLS = {
    "bedrock:InvokeModel",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sagemaker:AddTags",
    "sagemaker:CallMlflowAppApi",
}
"""Permissions that are not used by calling the operation of that name: the runtime writes the log, Converse
is InvokeModel, and tags are given while something is made."""


@pytest.fixture(scope="module")
def used() -> dict[str, frozenset[str]]:
    return needed(Bundle(lock=None).modules(), DATA)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of three services' models and of what all services share."""
    copied = tmp_path / "data"
    copied.mkdir()
    for service in ("s3", "sns", "sqs"):
        shutil.copytree(DATA / service, copied / service)
    for path in DATA.iterdir():
        if path.is_file():
            shutil.copy(path, copied)
    return copied


def _source(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "source.py"
    path.write_text(text)
    return path


CALLS = """
class Clients:
    def s3(self): return self._make("s3")
    def sns(self): return self._make("sns", read_timeout=5)
def use(clients):
    clients.s3.get_paginator("list_objects_v2")
    clients.sns.publish(Message="x")
    clients.s3.download_file("a", "b", "c")
"""


def test_services_and_operations_come_from_the_sources(tmp_path: Path) -> None:
    assert needed([_source(tmp_path, CALLS)], DATA) == {
        "s3": {"list_objects_v2", "get_object", "head_object"},
        "sns": {"publish"},
    }


def test_a_service_that_botocore_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no model of s4"):
        needed([_source(tmp_path, 'self._make("s4")')], DATA)


def test_what_is_left_makes_clients_that_call_what_is_called(models: Path) -> None:
    before = sum(path.stat().st_size for path in models.rglob("*") if path.is_file())
    prune(models, {"s3": frozenset({"list_objects_v2", "get_object"}), "sns": frozenset({"publish"})})
    after = sum(path.stat().st_size for path in models.rglob("*") if path.is_file())
    assert after < before
    assert not (models / "sqs").exists()
    session = Session()
    session.register_component("data_loader", Loader([str(models)], include_default_search_paths=False))
    keys = {"region_name": "us-west-2", "aws_access_key_id": "k", "aws_secret_access_key": "s"}
    s3 = session.create_client("s3", **keys)
    assert s3.can_paginate("list_objects_v2")
    assert "us-west-2" in s3.generate_presigned_url("get_object", Params={"Bucket": "b-1", "Key": "k"})
    assert not hasattr(s3, "put_object")
    assert issubclass(session.create_client("sns", **keys).exceptions.NotFoundException, Exception)


def test_the_same_input_gives_the_same_files(models: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(models, other)
    for folder in (models, other):
        prune(folder, {"s3": frozenset({"get_object"})})
    files = [path.relative_to(models) for path in sorted(models.rglob("*")) if path.is_file()]
    assert files == [path.relative_to(other) for path in sorted(other.rglob("*")) if path.is_file()]
    assert all((models / path).read_bytes() == (other / path).read_bytes() for path in files)


def test_an_operation_that_is_missing_fails_by_name(models: Path) -> None:
    prune(models, {"s3": frozenset({"get_object"})})
    with pytest.raises(ModelMissing, match="s3 has no put_object"):
        check(models, {"s3": frozenset({"get_object", "put_object"})})


def test_a_shape_that_is_missing_fails_by_name(models: Path) -> None:
    prune(models, {"sns": frozenset({"publish"})})
    (path,) = models.glob("sns/*/service-2.json")
    model = json.loads(path.read_text())
    del model["shapes"]["PublishInput"]
    path.write_text(json.dumps(model))
    with pytest.raises(ModelMissing, match="sns lacks the shape PublishInput"):
        check(models, {"sns": frozenset({"publish"})})


@pytest.mark.slow
def test_every_operation_that_a_function_may_call_is_kept(
    template: dict[str, Any], used: dict[str, frozenset[str]]
) -> None:
    called = set().union(*used.values())
    for verb in names.FUNCTIONS:
        rules = statements(template, function_role(verb))
        for action in {action for rule in rules for action in rule["Action"]} - NO_CALLS:
            prefix, _, name = action.partition(":")
            if prefix in SERVICES:
                operations = Session().get_service_model(SERVICES[prefix]).operation_names
                assert name not in operations or xform_name(name) in called, f"{verb}: {action}"
