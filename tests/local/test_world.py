"""Worlds: the built-in one, world files and their faults, seeding, and what is assumed."""

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from tests.local.sagemaker_cloud import Launcher, running
from tunestep import names
from tunestep.local.world import World, WorldInvalid
from tunestep.local.worlds.reading import MAX_BYTES

CONFORMANCE = Path(__file__).parents[1] / "conformance"
ACCOUNT, REGION = "111122223333", "us-west-2"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Trainer"
EVALUATOR = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:hub-content/MYHUB/JsonDoc/my-eval/1.0.0"
PACKAGE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/mine/3"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    patch = pytest.MonkeyPatch()
    patch.setenv("MOTO_ACCOUNT_ID", ACCOUNT)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
    patch.undo()


def world(**parts: Any) -> World:
    return World.read({"region": REGION, "account": ACCOUNT, **parts})


@pytest.fixture
def clients_of(moto: str, tmp_path: Path) -> Iterator[Any]:
    """Clients of an ephemeral cloud of one world: moto behind S3 and IAM, the local SageMaker beside it."""
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)
    opened: list[Any] = []

    def make(for_world: World) -> Any:
        urllib.request.urlopen(  # noqa: S310 - loopback
            urllib.request.Request(f"{moto}/moto-api/reset", method="POST")  # noqa: S310
        ).close()
        cloud = running(tmp_path, Launcher(), world=for_world, settle_seconds=0.05)
        opened.append(cloud)
        sagemaker = cloud.__enter__().sagemaker
        once = Config(retries={"total_max_attempts": 1})
        clients = SimpleNamespace(
            s3=session.client("s3", endpoint_url=moto, config=once),
            iam=session.client("iam", endpoint_url=moto, config=once),
            sagemaker=sagemaker,
            session=session,
        )
        for_world.seed(clients)
        return clients

    yield make
    for cloud in opened:
        cloud.__exit__(None, None, None)


def text_of(clients: Any, uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return str(clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())


def there(clients: Any, bucket: str, key: str = "") -> bool:
    try:
        if key:
            clients.s3.head_object(Bucket=bucket, Key=key)
        else:
            clients.s3.head_bucket(Bucket=bucket)
    except ClientError:
        return False
    return True


def recipes(document: dict[str, Any]) -> list[dict[str, Any]]:
    return document["RecipeCollection"]


def test_the_builtin_hub_has_the_models_that_the_examples_and_edge_cases_need() -> None:
    hub = {
        key.rpartition("/")[2]: versions[-1]["document"]
        for key, versions in World.builtin(REGION, ACCOUNT).hub.items()
    }
    assert len(hub) >= 6
    gated = {name for name, document in hub.items() if document["GatedBucket"]}
    assert gated == {"meta-textgeneration-llama-3-2-1b-instruct"}
    assert {"nova-textgeneration-lite-v2", "nova-textgeneration-micro"} <= set(hub)
    assert any(all("Peft" not in r for r in recipes(d)) for d in hub.values())
    assert any(recipes(d)[0].get("IsSubscriptionModel") for d in hub.values())
    lengths = {
        name: {
            r["SequenceLength"]
            for r in recipes(d)
            if (r["CustomizationTechnique"], r.get("Peft")) == ("SFT", "LORA")
        }
        for name, d in hub.items()
    }
    assert any(len(found) == 2 for found in lengths.values())
    techniques = {r["CustomizationTechnique"] for d in hub.values() for r in recipes(d)}
    assert techniques == {"SFT", "DPO", "RLVR", "RLAIF"}


def test_every_builtin_recipe_has_a_spec_whose_defaults_obey_it() -> None:
    world = World.builtin("eu-west-1", ACCOUNT)
    kinds: set[str] = set()
    for versions in world.hub.values():
        for recipe in recipes(versions[-1]["document"]):
            spec = world.override_specs[recipe["SmtjOverrideParamsS3Uri"]]
            assert len(spec) >= 15
            for name, rule in spec.items():
                kinds |= set(rule) | {rule["type"]}
                default = rule["default"]
                kinds |= {"empty default"} if default == "" else set()
                assert default in rule.get("enum", [default]), name
                assert rule.get("min", default) <= default <= rule.get("max", default), name
    assert {"enum", "min", "max", "regex_pattern", "array", "boolean", "empty default"} <= kinds
    assert all(uri.startswith("s3://jumpstart-cache-prod-eu-west-1/") for uri in world.override_specs)


def test_the_conformance_world_is_read() -> None:
    world = World.load(CONFORMANCE / "world.json")
    assert (world.region, world.account) == (REGION, ACCOUNT)
    assert len(world.hub) == 4
    assert len(world.override_specs) == 16


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"region": "Oregon"}, "$.region"),
        ({"account": "12"}, "$.account"),
        ({"account": 111122223333}, "$.account"),
        ({"hub": []}, "$.hub"),
        ({"hub": {"just-a-name": []}}, '$.hub["just-a-name"]'),
        ({"hub": {"H/Model/m": []}}, '$.hub["H/Model/m"]'),
        ({"hub": {"H/Model/m": [{"document": {}}]}}, '$.hub["H/Model/m"][0].version'),
        ({"hub": {"H/Model/m": [{"version": "1", "document": {}}]}}, '$.hub["H/Model/m"][0].version'),
        ({"hub": {"H/Model/m": [{"version": "1.0.0"}]}}, '$.hub["H/Model/m"][0].document'),
        (
            {"hub": {"H/Model/m": [{"version": "1.0.0", "document": {"RecipeCollection": [1]}}]}},
            '$.hub["H/Model/m"][0].document.RecipeCollection[0]',
        ),
        ({"override_specs": {"not-a-uri": {}}}, '$.override_specs["not-a-uri"]'),
        ({"override_specs": {"s3://bucket/spec": []}}, '$.override_specs["s3://bucket/spec"]'),
        ({"mlflow_apps": [{}]}, "$.mlflow_apps[0].Arn"),
        ({"mlflow_apps": [{"Arn": "x"}]}, "$.mlflow_apps[0].Arn"),
        (
            {"mlflow_apps": [{"Arn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/a", "Colour": 1}]},
            "$.mlflow_apps[0].Colour",
        ),
        ({"model_packages": {"mine/3": {}}}, '$.model_packages["mine/3"]'),
        ({"model_packages": {PACKAGE: {"Colour": 1}}}, f'$.model_packages["{PACKAGE}"].Colour'),
        ({"model_package_groups": ["not_valid"]}, "$.model_package_groups.not_valid"),
        ({"model_package_groups": ["a", "a"]}, "$.model_package_groups[1]"),
        ({"roles": [{"arn": ROLE}]}, "$.roles[0].name"),
        ({"roles": {"bad role": {}}}, "is not the name or ARN of an IAM role"),
        ({"roles": {"r": {"trust": [1]}}}, ".trust[0]"),
        ({"buckets": {"UPPER": {}}}, "$.buckets.UPPER"),
        ({"buckets": {"bucket": {"region": 1}}}, "$.buckets.bucket.region"),
        ({"buckets": {"bucket": {"forbidden": "yes"}}}, "$.buckets.bucket.forbidden"),
        ({"buckets": {"bucket": 7}}, "$.buckets.bucket"),
        ({"objects": {"bucket/key": {}}}, '$.objects["bucket/key"]'),
        ({"objects": {"s3://bucket/a\x1b[2J": {}}}, '$.objects["s3://bucket/a'),
        ({"objects": {"s3://bucket/a/../b": {}}}, '$.objects["s3://bucket/a/../b"]'),
        ({"objects": {"s3://bucket/key": {"size": -1}}}, '$.objects["s3://bucket/key"].size'),
        ({"evaluators": ["MYHUB/my-eval"]}, '$.evaluators["MYHUB/my-eval"]'),
    ],
)
def test_a_fault_in_a_world_file_is_told_with_its_place(
    tmp_path: Path, document: dict[str, Any], path: str
) -> None:
    file = tmp_path / "world.json"
    file.write_text(json.dumps(document))
    with pytest.raises(WorldInvalid) as caught:
        World.load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert path in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"7", b'{"a": NaN}', b'{"hub": {}, "hub": {}}', b"\xff", b'{"a":' * 100_000]
)
def test_a_file_that_is_no_json_object_is_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "world.json"
    file.write_bytes(data)
    with pytest.raises(WorldInvalid) as caught:
        World.load(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_read(tmp_path: Path, make: Any) -> None:
    file = tmp_path / "world.json"
    make(file)
    with pytest.raises(WorldInvalid, match="is not a file"):
        World.load(file)


def test_a_file_over_the_cap_is_not_read_and_one_that_is_absent_is_absent(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    with file.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(WorldInvalid, match="at most"):
        World.load(file)
    with pytest.raises(FileNotFoundError):
        World.load(tmp_path / "other.json")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["region", "account", "hub", "override_specs", "mlflow_apps", "model_packages",
             "model_package_groups", "roles", "buckets", "objects", "evaluators"]
        ),
        _json,
    )
)  # fmt: skip
def test_any_document_is_a_world_or_refused_with_a_place(document: dict[str, Any]) -> None:
    try:
        World.read(document)
    except WorldInvalid as fault:
        assert str(fault).startswith("$")


@pytest.mark.parametrize("absent", [None, False, {"absent": True}, {"exists": False}])
def test_every_way_to_say_absent_is_understood(absent: Any) -> None:
    found = world(
        roles={"Trainer": absent},
        buckets={"bucket": absent},
        objects={"s3://bucket/key": absent},
        model_package_groups={"mine": absent},
        evaluators={EVALUATOR: absent},
        model_packages={PACKAGE: {}},
    )
    assert found.roles == {ROLE: None}
    assert found.buckets == {"bucket": None}
    assert found.objects == {"s3://bucket/key": None}
    assert found.evaluators == {EVALUATOR: None}
    kinds = [kind for kind, _, _ in found.sagemaker_records(REGION, ACCOUNT)]
    assert "group" not in kinds


def test_seeding_makes_what_is_described_and_doing_so_twice_changes_nothing(clients_of: Any) -> None:
    described = world(
        buckets={"plain-bucket": {}, "far-bucket": {"region": "eu-west-1"}, "gone-bucket": None},
        objects={
            "s3://plain-bucket/text.txt": "as it is",
            "s3://plain-bucket/rows.jsonl": [{"prompt": "p"}, {"prompt": "é"}],
            "s3://other-bucket/sized.bin": {"size": 321},
            "s3://other-bucket/gone.txt": None,
        },
        roles={"Trainer": {}, "path/Elsewhere": {"trust": "lambda.amazonaws.com"}, "Nobody": {"trust": []}},
    )
    clients = clients_of(described)
    clients.s3.put_object(Bucket="plain-bucket", Key="text.txt", Body=b"changed since")
    described.seed(clients)
    assert text_of(clients, "s3://plain-bucket/text.txt") == "changed since"
    assert text_of(clients, "s3://plain-bucket/rows.jsonl") == '{"prompt": "p"}\n{"prompt": "é"}\n'
    assert clients.s3.head_object(Bucket="other-bucket", Key="sized.bin")["ContentLength"] == 321
    assert not there(clients, "other-bucket", "gone.txt")
    assert not there(clients, "gone-bucket")
    assert clients.s3.get_bucket_location(Bucket="far-bucket")["LocationConstraint"] == "eu-west-1"
    trainer = clients.iam.get_role(RoleName="Trainer")["Role"]
    assert trainer["Arn"] == ROLE
    principal = trainer["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
    assert principal == {"Service": ["sagemaker.amazonaws.com"]}
    assert clients.iam.get_role(RoleName="Elsewhere")["Role"]["Arn"].endswith(":role/path/Elsewhere")
    assert clients.iam.get_role(RoleName="Nobody")["Role"]["AssumeRolePolicyDocument"]["Statement"] == []


def test_the_builtin_world_puts_specs_and_a_marked_stand_in_for_the_licence_into_s3(clients_of: Any) -> None:
    builtin = World.builtin(REGION, ACCOUNT)
    clients = clients_of(builtin)
    for uri, spec in builtin.override_specs.items():
        assert json.loads(text_of(clients, uri)) == spec
    llama = builtin.hub["SageMakerPublicHub/Model/meta-textgeneration-llama-3-2-1b-instruct"][-1]["document"]
    assert text_of(clients, llama["HostingEulaUri"]).startswith("STAND-IN TEXT")


REQUEST = {
    "use_case": "s3://case-bucket/use_case_spec.md",
    "technique": "RLVR",
    "base_model": "huggingface-reasoning-qwen3-8b",
    "training_data": "s3://data-bucket/rl/train.jsonl",
    "validation_data": "s3://data-bucket/rl/val/",
    "output": "s3://out-bucket/output/",
    "execution_role": ROLE,
    "reward": {"evaluator_arn": EVALUATOR},
    "model_package_group": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package-group/mine",
}


@pytest.mark.parametrize(
    "uri", ["s3://bucket/a\x1b]0;x\x07", "s3://bucket/../eula", "s3://bucket/", "s3://B/x"]
)
def test_a_licence_text_that_no_object_can_hold_is_not_seeded(clients_of: Any, uri: str) -> None:
    versions = [{"version": "1.0.0", "document": {"HostingEulaUri": uri}}]
    made = world(hub={"SageMakerPublicHub/Model/m": versions})
    made.seed(clients_of(made))


def test_what_the_world_is_silent_about_is_made_and_listed(clients_of: Any) -> None:
    silent = world()
    clients = clients_of(silent)
    findings = silent.assume(REQUEST, clients, stack="tunestep")
    assert {(f.severity, f.code) for f in findings} == {("info", "ASSUMED")}
    listed = {(finding.where, finding.message.split(" is not described")[0]) for finding in findings}
    assert listed == {
        ("$.execution_role", f"The role {ROLE}"),
        ("$.training_data", "The bucket data-bucket"),
        ("$.training_data", "The object s3://data-bucket/rl/train.jsonl"),
        ("$.validation_data", "The object s3://data-bucket/rl/val/part-0000.jsonl"),
        ("$.use_case", "The bucket case-bucket"),
        ("$.use_case", "The object s3://case-bucket/use_case_spec.md"),
        ("$.output", "The bucket out-bucket"),
        ("$.model_package_group", "The model package group mine"),
        ("$.reward.evaluator_arn", f"The evaluator {EVALUATOR}"),
    }
    rows = [json.loads(line) for line in text_of(clients, REQUEST["training_data"]).splitlines()]
    assert len(rows) >= 32
    assert {"prompt", "reference_answer"} <= set(rows[0])
    group = clients.sagemaker.describe_model_package_group(ModelPackageGroupName="mine")
    assert group["ModelPackageGroupArn"] == REQUEST["model_package_group"]
    evaluator = clients.sagemaker.describe_hub_content(
        HubName="MYHUB", HubContentType="JsonDoc", HubContentName="my-eval", HubContentVersion="1.0.0"
    )
    assert (evaluator["HubContentArn"], evaluator["HubContentStatus"]) == (EVALUATOR, "Available")
    assert clients.iam.get_role(RoleName="Trainer")["Role"]["Arn"] == ROLE


def test_what_the_world_describes_is_neither_made_again_nor_listed(clients_of: Any) -> None:
    full = world(
        buckets=["case-bucket", "data-bucket", "out-bucket"],
        objects=[
            "s3://case-bucket/use_case_spec.md",
            {"uri": "s3://data-bucket/rl/train.jsonl", "size": 10},
            "s3://data-bucket/rl/val/a.jsonl",
        ],
        roles=[{"name": "Trainer"}],
        evaluators=[EVALUATOR],
        model_packages={PACKAGE: {}},
    )
    clients = clients_of(full)
    assert full.assume(REQUEST, clients, stack="tunestep") == []
    assert not there(clients, "data-bucket", "rl/val/part-0000.jsonl")
    clients.sagemaker.describe_hub_content(
        HubName="MYHUB", HubContentType="JsonDoc", HubContentName="my-eval"
    )


def test_what_the_world_says_is_absent_stays_absent(clients_of: Any) -> None:
    without = world(
        buckets={"out-bucket": None},
        objects={"s3://data-bucket/rl/train.jsonl": None, "s3://data-bucket/rl/val/": False},
        roles={"Trainer": {"exists": False}},
        evaluators={EVALUATOR: {"absent": True}},
        model_package_groups={"mine": None},
    )
    clients = clients_of(without)
    findings = without.assume(REQUEST, clients, stack="tunestep")
    assert {f.where for f in findings} == {"$.training_data", "$.use_case"}
    assert there(clients, "data-bucket")
    assert not there(clients, "data-bucket", "rl/train.jsonl")
    assert not there(clients, "out-bucket")
    with pytest.raises(clients.iam.exceptions.NoSuchEntityException):
        clients.iam.get_role(RoleName="Trainer")
    with pytest.raises(clients.sagemaker.exceptions.ResourceNotFound):
        clients.sagemaker.describe_hub(HubName="MYHUB")
    with pytest.raises(ClientError, match="does not exist"):
        clients.sagemaker.describe_model_package_group(ModelPackageGroupName="mine")


def test_a_request_that_names_little_leans_on_the_stacks_role_and_bucket(clients_of: Any) -> None:
    silent = world()
    clients = clients_of(silent)
    request = {"use_case": "Support", "technique": "SFT", "base_model": "x", "training_data": "train.jsonl"}
    findings = silent.assume(request, clients, stack="lab")
    assert [f.where for f in findings] == ["$.execution_role", "$.output"]
    assert there(clients, names.bucket_name("lab", ACCOUNT, REGION))
    assert clients.iam.get_role(RoleName=names.execution_role_name("lab", REGION))


def test_a_bucket_in_another_region_or_forbidden_keeps_its_nature(clients_of: Any) -> None:
    described = world(buckets={"data-bucket": {"region": "eu-west-1"}, "out-bucket": {"forbidden": True}})
    clients = clients_of(described)
    findings = described.assume(REQUEST, clients, stack="tunestep")
    assert "The bucket data-bucket" not in "".join(f.message for f in findings)
    assert there(clients, "data-bucket", "rl/train.jsonl")
    assert clients.s3.get_bucket_location(Bucket="data-bucket")["LocationConstraint"] == "eu-west-1"
    assert described.forbidden_buckets == {"out-bucket"}


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"training_data": 7, "execution_role": [], "reward": "x", "model_package_group": {}, "output": None},
        {"training_data": "s3://", "output": "s3://UPPER/x", "execution_role": "bad role"},
        {"training_data": "s3://bucket/a/../b", "model_package_group": "-bad-"},
        {"execution_role": "arn:aws:iam::999999999999:role/Theirs"},
        {"reward": {"evaluator_arn": EVALUATOR.replace(ACCOUNT, "999999999999"), "prompt": "cot"}},
        {"training_data": EVALUATOR.replace("JsonDoc", "DataSet").replace("1.0.0", "1")},
    ],
)
def test_a_request_that_is_wrong_is_left_to_the_checks(clients_of: Any, request_: dict[str, Any]) -> None:
    silent = world()
    findings = silent.assume(request_, clients_of(silent), stack="tunestep")
    assert {f.where for f in findings} <= {"$.execution_role", "$.output"}
