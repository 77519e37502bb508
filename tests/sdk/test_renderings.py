"""What is rendered runs: the real SageMaker SDK against the laptop cloud, as notebook and as script."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.local.laptop import Laptop, dpo_rows, jsonl, running, sft_rows, until
from tunestep.local.created_functions import KEY_FILE

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.skipif("TUNESTEP_SDK_PYTHON" not in os.environ, reason="make test-sdk brings the real SDK"),
]

EXAMPLES = Path(__file__).parents[2] / "examples"
EXECUTE = Path(__file__).with_name("execute_notebook.py")
PROMPT = "Judge the answer.\n<prompt>{{ prompt }}</prompt>\n<response>{{ response }}</response>\n"
SMALL = {"max_epochs": 1, "global_batch_size": 8}
OPTIONS: dict[str, Any] = {
    "limits": {"max_runtime": "2h"},
    "tags": {"team": "some of us + you"},
    "compress_output": False,
    "base_job_name": "a_base_name_that_is_much_longer_than_a_training_job_can_be",
    "sequence_length": "4K",
    "vpc": {"security_group_ids": ["sg-0123456789abcdef0"], "subnets": ["subnet-0123456789abcdef0"]},
    "mlflow": {"experiment": "an experiment", "run": "a run"},
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with running(tmp_path_factory.mktemp("sdk")) as started:
        yield started


def rows(example: str, count: int = 64) -> list[Any]:
    return (EXAMPLES / example / "train.jsonl").read_text(encoding="utf-8").splitlines()[:count]


def sft(laptop: Laptop) -> str:
    return laptop.request("sft", sft_rows(), hyperparameters=SMALL | {"learning_rate": 0.0002})


def dpo(laptop: Laptop) -> str:
    return laptop.request(
        "dpo", dpo_rows(), technique="DPO", hyperparameters=SMALL | {"global_batch_size": 16}
    )


def rlvr(laptop: Laptop) -> str:
    return laptop.request(
        "rlvr",
        rows("rlvr", 128),
        technique="RLVR",
        reward={"function": "math_answer"},
        hyperparameters={"max_epochs": 1, "global_batch_size": 64},
    )


def rlaif_builtin(laptop: Laptop) -> str:
    return laptop.request(
        "builtin",
        rows("rlaif"),
        technique="RLAIF",
        reward={"prompt": "summarize", "judge_model": "openai.gpt-oss-20b-1:0"},
        hyperparameters={"max_epochs": 1, "global_batch_size": 64},
    )


def rlaif_custom_prompt(laptop: Laptop) -> str:
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="data/prompts/own.jinja", Body=PROMPT.encode())
    return laptop.request(
        "custom",
        rows("rlaif"),
        technique="RLAIF",
        reward={
            "prompt": f"s3://{laptop.bucket}/data/prompts/own.jinja",
            "judge_model": "openai.gpt-oss-20b-1:0",
        },
        hyperparameters={"max_epochs": 1, "global_batch_size": 64},
    )


def continued(laptop: Laptop) -> str:
    first = laptop.execution(run(laptop, sft(laptop)))
    arn = json.loads(first["output"])["results"]["model_package_arn"]
    return laptop.request("continued", sft_rows(), base_model=arn, hyperparameters=SMALL)


CASES: dict[str, Callable[[Laptop], str]] = {
    "sft": sft,
    "dpo": dpo,
    "rlvr": rlvr,
    "rlaif_builtin": rlaif_builtin,
    "rlaif_custom_prompt": rlaif_custom_prompt,
    "continue": continued,
}


def sdk(laptop: Laptop, *arguments: str | Path, key: str = "testing") -> str:
    """Run a Python program in the SDK's environment, with the laptop cloud for AWS and no way out."""
    url = laptop.endpoint.url
    done = subprocess.run(  # noqa: S603 - our own programs
        [os.environ["TUNESTEP_SDK_PYTHON"], *map(str, arguments)],
        cwd=laptop.work,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(laptop.work),
            "AWS_ENDPOINT_URL": url,
            "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT": url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": "testing",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def normalised(request: dict[str, Any]) -> dict[str, Any]:
    """Without what is the run's own: the suffix of the name, tunestep: tags, and empty hyperparameters."""
    sent = {name: value for name, value in request["HyperParameters"].items() if value != ""}
    return {
        **request,
        "TrainingJobName": re.sub(r"-[0-9a-f]{14}$", "", request["TrainingJobName"]),
        "HyperParameters": sent,
        "Tags": [tag for tag in request["Tags"] if not tag["Key"].startswith("tunestep:")],
    }


def sent(laptop: Laptop, job: str) -> dict[str, Any]:
    """The CreateTrainingJob request as the laptop's SageMaker got it."""
    return normalised(json.loads((laptop.home / "jobs" / job / "request.json").read_text()))


def new_job(laptop: Laptop, before: set[str]) -> str:
    (made,) = set(laptop.jobs()) - before
    return made


def completed(laptop: Laptop, job: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        found: dict[str, Any] = laptop.client("sagemaker").describe_training_job(TrainingJobName=job)
        return found

    found = until(look, lambda seen: seen["TrainingJobStatus"] != "InProgress", seconds=300)
    assert found["TrainingJobStatus"] == "Completed", found
    return dict(found)


def outputs(path: Path) -> str:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = {cell.metadata.name: cell for cell in notebook.cells}
    assert any("image/png" in output.get("data", {}) for output in cells["Plot Metrics"].outputs)
    return "".join(output.get("text", "") for cell in cells.values() for output in cell.get("outputs", []))


def run(laptop: Laptop, request: str) -> str:
    """The id of a run that went well."""
    return str(json.loads(laptop("run", request, "--local", "--json", seconds=300).stdout)["run_id"])


def role(laptop: Laptop, name: str) -> str:
    """A role that SageMaker may assume and that may do everything; the SDK looks it up and simulates it."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    rights = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam = laptop.client("iam")
    made = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
    return str(made["Role"]["Arn"])


@pytest.mark.parametrize("name", CASES)
def test_each_template_runs_as_notebook_and_script_and_sends_what_the_pipeline_sent(
    name: str, cloud: Laptop
) -> None:
    run_id = run(cloud, CASES[name](cloud))
    own = normalised(cloud.run_file(run_id, "create_training_job.json"))
    folder = cloud.work / name
    written = cloud.json("render", run_id, "--local", "--notebook", "-o", str(folder))
    notebook, metrics = folder / Path(written["notebook"]).name, folder / Path(written["metrics"]).name
    stored = cloud.client("s3").get_object(Bucket=cloud.bucket, Key=f"runs/{run_id}/notebook.ipynb")
    assert notebook.read_bytes() == stored["Body"].read()

    before = set(cloud.jobs())
    sdk(cloud, EXECUTE, notebook)
    job = new_job(cloud, before)
    described = completed(cloud, job)
    assert sent(cloud, job) == own
    said = outputs(notebook)
    assert described["OutputModelPackageArn"] in said
    assert "Completed" in said

    written = cloud.json("render", run_id, "--local", "--script", "--no-wait", "-o", str(folder))
    before = set(cloud.jobs())
    sdk(cloud, Path(written["script"]))
    job = new_job(cloud, before)
    assert sent(cloud, job) == own
    described = completed(cloud, job)

    table = sdk(cloud, metrics, job)
    assert (cloud.work / f"{job}.png").stat().st_size > 1000
    assert_epochs(table, cloud.run_file(run_id, "metrics.json")["epochs"])


def assert_epochs(table: str, epochs: list[dict[str, Any]]) -> None:
    """The table has the record's rows; values are those of another job on the same data."""
    heading = next(line for line in table.splitlines() if line.startswith("epoch"))
    names = re.split(r" {2,}", heading)[1:]
    assert names
    assert set(names) <= set(epochs[0])
    printed = table.splitlines()[table.splitlines().index(heading) + 1 :]
    assert [int(line.split()[0]) for line in printed] == [row["epoch"] for row in epochs]


def test_every_option_of_a_request_is_in_the_rendering(cloud: Laptop) -> None:
    own_role = role(cloud, "in-a-vpc")
    request = cloud.request(
        "options",
        sft_rows(),
        hyperparameters=SMALL | {"seed": None},
        execution_role=own_role,
        **OPTIONS,
    )
    run_id = run(cloud, request)
    written = cloud.json("render", run_id, "--local", "--script", "-o", "options")
    before = set(cloud.jobs())
    sdk(cloud, written["script"])
    own = normalised(cloud.run_file(run_id, "create_training_job.json"))
    assert sent(cloud, new_job(cloud, before)) == own


def test_a_request_that_never_ran_registers_its_reward_and_trains(cloud: Laptop) -> None:
    request = rlvr(cloud)
    cloud("plan", request, "--local")
    written = cloud.json("render", request, "--local", "--script", "-o", "fresh")
    for path, uri in written["not_uploaded"].items():
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        cloud.client("s3").upload_file(str(cloud.work / path), bucket, key)
    before = set(cloud.jobs())
    sdk(cloud, written["script"])
    arn = sent(cloud, new_job(cloud, before))["ServerlessJobConfig"]["EvaluatorArn"]
    assert "/JsonDoc/tunestep-SageMaker-reward-math-answer/" in arn


REGISTRY = """
import os, sys
os.environ["AWS_DEFAULT_REGION"] = "us-west-2"
from sagemaker.ai_registry.dataset import DataSet
from sagemaker.ai_registry.evaluator import Evaluator

role, rows, prompt = sys.argv[1:]
with open("own_reward.py", "w") as file:
    file.write("def lambda_handler(event, context):\\n    return {'asked': len(event)}\\n")
made = [
    DataSet.create(name="some-rows", source=rows, role=role),
    Evaluator.create(name="own-code", type="RewardFunction", source="own_reward.py", role=role),
    Evaluator.create(name="own-prompt", type="RewardPrompt", source=prompt, role=role),
]
assert Evaluator.get("own-code").reference == made[1].reference
assert [item.name for item in DataSet.get_all()] == ["some-rows"]
print(*(item.arn for item in made), made[1].reference, sep="\\n")
"""


def test_the_sdk_registers_data_prompts_and_functions_of_its_own(cloud: Laptop) -> None:
    s3 = cloud.client("s3")
    # Session.default_bucket() would make it, but asks STS at an address that no setting replaces.
    region, account = cloud.endpoint.region, cloud.endpoint.account
    s3.create_bucket(
        Bucket=f"sagemaker-{region}-{account}", CreateBucketConfiguration={"LocationConstraint": region}
    )
    s3.put_object(Bucket=cloud.bucket, Key="data/rows.jsonl", Body=jsonl(sft_rows()).encode())
    s3.put_object(Bucket=cloud.bucket, Key="prompts/registry.jinja", Body=PROMPT.encode())
    program = cloud.work / "registry.py"
    program.write_text(REGISTRY)
    key = (cloud.home / KEY_FILE).read_text().strip()
    said = sdk(
        cloud,
        program,
        role(cloud, "registrar"),
        f"s3://{cloud.bucket}/data/rows.jsonl",
        f"s3://{cloud.bucket}/prompts/registry.jinja",
        key=key,
    )
    rows_arn, code_arn, prompt_arn, function = said.strip().splitlines()[-4:]
    assert "/DataSet/some-rows/1.0.0" in rows_arn
    assert "/JsonDoc/own-code/1.0.0" in code_arn
    assert "/JsonDoc/own-prompt/1.0.0" in prompt_arn
    answer = cloud.client("lambda").invoke(FunctionName=function, Payload=b"[1, 2, 3]")
    assert json.loads(answer["Payload"].read()) == {"asked": 3}
    request = cloud.request("registered", sft_rows(), hyperparameters=SMALL, training_data=rows_arn)
    assert cloud.execution(run(cloud, request))["status"] == "SUCCEEDED"
