"""``tunestep plan --local --world FILE``: the captured requests come out of the command itself."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.in_process import tunestep
from tests.support.cases import document_of, expected_of, load_cases, load_world, normalised
from tunestep.aws import Clients
from tunestep.cli import world as planning
from tunestep.local import control
from tunestep.local.world import World

# An output with an empty part between slashes is refused on purpose (see tunestep.s3uri).
REFUSED = {"sft_output_double_slash"}
# The SDK sends AcceptEula for an ungated model when told to; ours is sent only where it means something.
EULA_WITHOUT_NEED = {"sft_ungated_eula_given"}
CASES = {case["name"]: case for case in load_cases()}
COMPARED = [name for name in CASES if name not in REFUSED]
PLAN = ("--local", "--world", "world.json", "--assume-approved", "--json")
COMMAND = Path(sys.executable).parent / "tunestep"


@pytest.fixture(scope="module")
def world_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("world") / "world.json"
    file.write_text(json.dumps(load_world()))
    return file


@pytest.fixture
def folder(tmp_path: Path, world_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the cases' world in it and nothing else."""
    (tmp_path / "world.json").symlink_to(world_file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="class")
def shared(world_file: Path) -> Iterator[control.Endpoint]:
    """One ephemeral cloud, and clients of it, for all cases: each call otherwise makes its own."""
    with control.ephemeral(World.load(world_file)) as endpoint, pytest.MonkeyPatch.context() as patch:
        clients = Clients(region=endpoint.region, endpoint_url=endpoint.url)
        patch.setattr(planning.control, "ephemeral", lambda world: contextlib.nullcontext(endpoint))
        patch.setattr(planning, "Clients", lambda **_: clients)
        yield endpoint


class TestEveryCase:
    @pytest.mark.usefixtures("shared")
    @pytest.mark.parametrize("name", COMPARED)
    def test_plan_prints_the_captured_request(
        self,
        name: str,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        (folder / "request.json").write_text(json.dumps(document_of(CASES[name])))

        outcome = tunestep(capsys, "plan", "request.json", *PLAN)

        assert outcome.code == 0, outcome.err + outcome.out
        expected = expected_of(CASES[name])
        if name in EULA_WITHOUT_NEED:
            del expected["ServerlessJobConfig"]["AcceptEula"]
        assert normalised(outcome.json["create_training_job"]) == expected


@pytest.mark.parametrize("name", ["sft_oss_lora_s3", "sft_river_subscription_parameter_set"])
def test_a_bare_process_plans_with_an_empty_home_and_no_credentials(name: str, folder: Path) -> None:
    request, home = folder / "request.json", folder / "home"
    request.write_text(json.dumps(document_of(CASES[name])))
    home.mkdir()
    ended = subprocess.run(  # noqa: S603 - our command
        [str(COMMAND), "plan", "request.json", *PLAN],
        cwd=folder,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "http_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    outcome = json.loads(ended.stdout)
    assert normalised(outcome["create_training_job"]) == expected_of(CASES[name])
    assert {finding["code"] for finding in outcome["findings"] if finding["severity"] == "info"} >= {
        "ASSUMED"
    }
    assert sorted(path.name for path in folder.iterdir()) == ["home", "request.json", "world.json"]
    assert not list(home.iterdir())


def planned(folder: Path, capsys: pytest.CaptureFixture[str], world: dict[str, Any], **fields: Any) -> Any:
    (folder / "other.json").write_text(json.dumps(world))
    document = document_of(CASES["sft_oss_lora_s3"]) | fields
    (folder / "request.json").write_text(json.dumps(document))
    return tunestep(capsys, "plan", "request.json", "--local", "--world", "other.json", "--json")


ROLE = CASES["sft_oss_lora_s3"]["inputs"]["role"]
DATA = CASES["sft_oss_lora_s3"]["inputs"]["training_data"]
EVALUATOR = "arn:aws:sagemaker:us-west-2:111122223333:hub-content/MYHUB/JsonDoc/gone/1.0.0"


@pytest.mark.parametrize(
    ("listed", "fields", "code"),
    [
        ({"roles": {ROLE: None}}, {}, "ROLE_NOT_FOUND"),
        ({"roles": {ROLE: {"trust": "ec2.amazonaws.com"}}}, {}, "ROLE_NOT_TRUSTED"),
        ({"objects": {DATA: {"absent": True}}}, {}, "DATA_NOT_FOUND"),
        ({"buckets": {"my-data-bucket": None}}, {}, "BUCKET_NOT_FOUND"),
        ({"buckets": {"my-data-bucket": {"region": "eu-west-1"}}}, {}, "BUCKET_IN_OTHER_REGION"),
        ({"buckets": {"my-data-bucket": {"forbidden": True}}}, {}, "BUCKET_ACCESS_DENIED"),
        (
            {"evaluators": {EVALUATOR: None}},
            {"technique": "RLVR", "reward": {"evaluator_arn": EVALUATOR}},
            "EVALUATOR_NOT_FOUND",
        ),
        ({}, {"base_model": "huggingface-reasoning-qwen3-8c"}, "MODEL_NOT_FOUND"),
        ({}, {"technique": "CPT"}, "CPT_NOT_SERVERLESS"),
        ({}, {"technique": "RLVR"}, "MISSING_FIELD"),
        ({}, {"hyperparameters": {"max_epochs": 10_000}}, "INVALID_VALUE"),
    ],
)
def test_what_a_world_lacks_is_an_error_finding_and_exit_code_2(
    listed: dict[str, Any],
    fields: dict[str, Any],
    code: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = planned(folder, capsys, load_world() | listed, **fields)
    assert outcome.code == 2
    errors = {finding["code"] for finding in outcome.json["findings"] if finding["severity"] == "error"}
    assert errors == {code}
    assert not outcome.json.get("create_training_job")
