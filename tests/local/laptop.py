"""A laptop cloud in a folder of its own, driven as a user drives it: by the command and by boto3."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import boto3
from botocore.config import Config

from tests.support.permissions_used import gather
from tunestep import names, runs
from tunestep.local import control
from tunestep.local.access import usage

COMMAND = Path(sys.executable).parent / "tunestep"
DEADLINE = 40.0
BEGINNING = control.START_SECONDS + 10
"""How long a first start may take on a machine that has other things to do: the command gives up sooner."""
QWEN = "huggingface-reasoning-qwen3-0-6b"
LLAMA = "meta-textgeneration-llama-3-2-1b-instruct"
FULL_ONLY = "deepseek-llm-r1-distill-qwen-1-5b"
NOVA = "nova-textgeneration-micro"

CANARY = "CANARYf00dfeedc0ffee"
CANARIES = {
    "AWS_ACCESS_KEY_ID": f"AKIA{CANARY}",
    "AWS_SECRET_ACCESS_KEY": f"secret-{CANARY}",
    "AWS_SESSION_TOKEN": f"token-{CANARY}",
    "AWS_PROFILE": f"profile-{CANARY}",
    "AWS_ENDPOINT_URL_S3": f"http://{CANARY}.invalid",
    "HF_TOKEN": f"hf-{CANARY}",
    "GITHUB_TOKEN": f"gh-{CANARY}",
    "HTTPS_PROXY": f"http://user:{CANARY}@proxy.invalid:3128",
    "http_proxy": f"http://user:{CANARY}@proxy.invalid:3128",
}
"""What a user may have set, in the environment of every command here."""


def until(look: Callable[[], Any], holds: Callable[[Any], bool] = bool, seconds: float = DEADLINE) -> Any:
    """Look again until it holds; fails with what was seen last at the deadline."""
    end = time.monotonic() + seconds
    while not holds(seen := look()):
        assert time.monotonic() < end, f"not within {seconds} s: {json.dumps(seen, default=str)[:2000]}"
        time.sleep(0.05)
    return seen


def line_with(stream: IO[str], text: str) -> str:
    """Read up to the first line that holds the text; fails at the end of the stream."""
    read = ""
    for line in stream:
        read += line
        if text in line:
            return line
    raise AssertionError(f"{text!r} was never said: {read}")


def sft_rows(count: int = 24) -> list[dict[str, Any]]:
    return [{"prompt": f"{n} plus {n}?", "completion": f"{n + n}"} for n in range(count)]


def dpo_rows(count: int = 24) -> list[dict[str, Any]]:
    return [
        {"prompt": f"{n} plus {n}?", "chosen": f"Count {n}, then {n} more.", "rejected": f"{n + n}"}
        for n in range(count)
    ]


def small_run(name: str, training_data: str) -> dict[str, Any]:
    """The request of an SFT run that takes a second or so."""
    return {
        "use_case": f"Test {name}",
        "technique": "SFT",
        "base_model": QWEN,
        "training_data": training_data,
        "hyperparameters": {"max_epochs": 1, "global_batch_size": 8},
    }


def jsonl(rows: list[Any]) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


class Laptop:
    """One home folder, a working folder beside it, and the environment of a user with secrets."""

    def __init__(self, folder: Path) -> None:
        self.denials_expected = False
        self.home, self.work, self._user = folder / "home", folder / "work", folder / "user"
        self.work.mkdir(parents=True)
        (self._user / ".aws").mkdir(parents=True)
        (self._user / ".aws" / "credentials").write_text(
            f"[default]\naws_access_key_id = AKIA{CANARY}\naws_secret_access_key = {CANARY}\n"
        )
        self.environment = {
            **CANARIES,
            "PATH": os.environ["PATH"],
            "HOME": str(self._user),
            "USER": "tester",
            "LOGNAME": "tester",
            "TUNESTEP_HOME": str(self.home),
        }
        for name in ("JSII_RUNTIME_PACKAGE_CACHE_ROOT", "PYTHONPATH", "TMPDIR"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        self.clients = lru_cache(self._client)

    def adopt_assembly(self, other: Path) -> None:
        """Start from what another home synthesized."""
        if (other / "assembly").is_dir():
            self.home.mkdir(mode=0o700, exist_ok=True)
            shutil.copytree(other / "assembly", self.home / "assembly", copy_function=shutil.copy2)

    # The command

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - our command
            [str(COMMAND), *arguments],
            cwd=self.work,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(
        self, *arguments: str, code: int | None = 0, seconds: float = DEADLINE
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end; it must never show a traceback, and its exit code must be this one."""
        process = self.popen(*arguments)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{arguments} did not end:\n{out}\n{err}") from None
        assert "Traceback" not in out + err, out + err
        assert code is None or process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code).stdout)

    # Requests

    def file(self, name: str, text: str) -> str:
        (self.work / name).write_text(text)
        return name

    def request(self, name: str, rows: list[Any] | None = None, **fields: Any) -> str:
        """A request file of a small SFT run, with its data file beside it; None takes a field away."""
        document = small_run(name, f"{name}.jsonl") | fields
        if document["base_model"] == LLAMA:
            # One accepted licence would answer for every later run in the same cloud.
            document["approval"] = {"require": "always", **(document.get("approval") or {})}
        self.file(f"{name}.jsonl", jsonl(sft_rows() if rows is None else rows))
        return self.file(
            f"{name}.json", json.dumps({key: value for key, value in document.items() if value is not None})
        )

    def long_request(self, name: str, **fields: Any) -> str:
        """A request that trains until it is stopped."""
        hyperparameters = {"max_epochs": 30, "global_batch_size": 8} | fields.pop("hyperparameters", {})
        return self.request(name, sft_rows(2000), hyperparameters=hyperparameters, **fields)

    def start(self, request: str) -> str:
        """Start a run and return its id at once."""
        return str(self.json("run", request, "--local", "--detach")["run_id"])

    def start_in_console(self, name: str, document: Mapping[str, Any]) -> str:
        """Start an execution of that name with a plain request, and return its id."""
        self.client("stepfunctions").start_execution(
            stateMachineArn=self.machine_arn, name=name, input=json.dumps(document)
        )
        return name

    # The port

    @property
    def endpoint(self) -> control.Endpoint:
        found = control.running(self.home)
        assert found is not None, (self.home / "cloud.log").read_text()
        return found

    def _client(self, service: str, url: str, region: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=url,
            region_name=region,
            aws_access_key_id="k",
            aws_secret_access_key="s",
            config=Config(retries={"total_max_attempts": 2}),
        )

    def client(self, service: str, region: str = "") -> Any:
        endpoint = self.endpoint
        return self.clients(service, endpoint.url, region or endpoint.region)

    @property
    def bucket(self) -> str:
        return names.bucket_name("tunestep", self.endpoint.account, self.endpoint.region)

    def function(self, verb: str, payload: Mapping[str, Any]) -> Any:
        """Invoke a function of the stack; it must not fail."""
        answer = self.client("lambda").invoke(
            FunctionName=names.function_name("tunestep", verb), Payload=json.dumps(payload).encode()
        )
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    def execution_arn(self, run_id: str) -> str:
        return names.execution_arn("tunestep", self.endpoint.account, self.endpoint.region, run_id)

    @property
    def machine_arn(self) -> str:
        return names.machine_arn("tunestep", self.endpoint.account, self.endpoint.region)

    def execution(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client("stepfunctions").describe_execution(
            executionArn=self.execution_arn(run_id)
        )
        return found

    def ended(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = until(
            lambda: self.execution(run_id), lambda seen: seen["status"] != "RUNNING"
        )
        return found

    def states(self, run_id: str) -> list[str]:
        """The states that the execution entered, in order."""
        events = self.client("stepfunctions").get_execution_history(
            executionArn=self.execution_arn(run_id), maxResults=1000
        )["events"]
        return [e["stateEnteredEventDetails"]["name"] for e in events if "stateEnteredEventDetails" in e]

    def waits_in(self, run_id: str, state: str) -> None:
        """Return once the execution is in that waiting state and its token is stored."""
        sk = {"AwaitApproval": "PENDING#approval", "AwaitTraining": "PENDING#training"}[state]

        def token() -> str:
            seen = self.execution(run_id)
            assert seen["status"] == "RUNNING", (
                f"not waiting in {state}: {seen.get('error')} {seen.get('cause')}"
            )
            return str(self.item(run_id, sk).get("token", ""))

        until(token)

    def item(self, run_id: str, sk: str = "RUN") -> dict[str, Any]:
        answer = self.client("dynamodb").get_item(
            TableName=names.table_name("tunestep"), Key={"pk": {"S": f"RUN#{run_id}"}, "sk": {"S": sk}}
        )
        return {key: next(iter(value.values())) for key, value in answer.get("Item", {}).items()}

    def pending(self) -> list[str]:
        """Keys of everything in the table that still waits for something, besides the ends of runs."""
        found = self.client("dynamodb").scan(TableName=names.table_name("tunestep"))["Items"]
        keys = [f"{item['pk']['S']} {item['sk']['S']}" for item in found]
        return [key for key in keys if "PENDING#" in key and not key.endswith(runs.PENDING_RUN)]

    def job(self, run_id: str) -> dict[str, Any]:
        """The training job of a run as SageMaker describes it; empty while there is none."""
        name = self.item(run_id).get("job_name")
        if not name:
            return {}
        found: dict[str, Any] = self.client("sagemaker").describe_training_job(TrainingJobName=name)
        return found

    def trains(self, run_id: str) -> dict[str, Any]:
        """Return the job once it has made a few steps and the run waits for it."""
        self.waits_in(run_id, "AwaitTraining")

        def progress(job: dict[str, Any]) -> bool:
            assert job["TrainingJobStatus"] in {"InProgress", "Completed"}, job
            return bool(job.get("ProgressInfo", {}).get("CurrentStep"))

        found: dict[str, Any] = until(lambda: self.job(run_id), progress)
        return found

    def jobs(self) -> list[str]:
        summaries = self.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
        return [summary["TrainingJobName"] for summary in summaries]

    def groups(self) -> list[str]:
        listed = self.client("sagemaker").list_model_package_groups(MaxResults=100)
        return [group["ModelPackageGroupName"] for group in listed["ModelPackageGroupSummaryList"]]

    def run_file(self, run_id: str, name: str) -> Any:
        found = self.client("s3").get_object(Bucket=self.bucket, Key=f"runs/{run_id}/{name}")
        return json.loads(found["Body"].read())

    # Processes

    def workers(self) -> dict[str, int]:
        """Training processes of this home: job name to process id."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if "tunestep.local.training.worker" in words and f"{self.home}/" in " ".join(words):
                found[Path(words[words.index("tunestep.local.training.worker") + 1]).name] = int(folder.name)
        return found

    def kill(self) -> None:
        """End the cloud as a power cut would, and wait until it is gone."""
        os.kill(self.endpoint.pid, signal.SIGKILL)
        until(lambda: control.running(self.home) is None)

    def close(self) -> None:
        control.stop(self.home)
        for pid in self.workers().values():
            os.kill(pid, signal.SIGKILL)
        self._keep_permissions_used()

    def _keep_permissions_used(self) -> None:
        """Add what roles used to the session's file; tests.support.permissions_used reads it."""
        log = self.home / usage.USAGE
        if log.is_file():
            gather(log.read_text())

    def denied(self) -> list[usage.Use]:
        """Calls that a role was refused."""
        return [use for use in usage.read(self.home / usage.USAGE) if use.outcome != "allowed"]


@contextmanager
def running(folder: Path, assembly_of: Path | None = None, *, settings: str = "") -> Iterator[Laptop]:
    """A laptop whose cloud is started, with these settings (YAML), and ended afterwards with its workers."""
    laptop = Laptop(folder)
    if settings:
        laptop.file("tunestep.yaml", settings)
    if assembly_of:
        laptop.adopt_assembly(assembly_of)
    try:
        laptop("local", "start", seconds=BEGINNING)
        yield laptop
    finally:
        laptop.close()
    assert laptop.denials_expected or laptop.denied() == [], "a role lacks a permission"
