"""Requests that cannot be run: one clear message, the right exit code, and nothing left behind."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.local.laptop import FULL_ONLY, QWEN, Laptop, jsonl, sft_rows

EVALUATOR = "arn:aws:sagemaker:us-west-2:123456789012:hub-content/h/JsonDoc/e/1.0.0"


def said(text: str) -> str:
    return re.sub(r"\s+", " ", text)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"traning_data": "x"}, r"\$\.traning_data.*training_data"),
    "wrong type": ({"hyperparameters": ["max_epochs"]}, r"\$\.hyperparameters"),
    "number for a text": ({"use_case": 7}, r"\$\.use_case"),
    "missing field": ({"technique": None}, r"\$\.technique|technique"),
    "unknown technique": ({"technique": "SFTT"}, r"\$\.technique.*SFT"),
    "no reward for RLVR": ({"technique": "RLVR"}, r"\$\.reward"),
    "two rewards": (
        {"technique": "RLVR", "reward": {"preset": "gsm8k", "evaluator_arn": EVALUATOR}},
        r"\$\.reward",
    ),
    "group name invalid": ({"model_package_group": "not a group!"}, r"\$\.model_package_group"),
    "a file that is not there": ({"training_data": "nowhere.jsonl"}, r"\$\.training_data.*nowhere\.jsonl"),
    "a limit nobody enforces yet": ({"limits": {"max_runtime": "soon"}}, r"\$\.limits\.max_runtime"),
}
"""Requests that the command refuses before anything is uploaded or started."""


@pytest.mark.parametrize("fault", REFUSED)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_request_that_cannot_be_read_is_refused_before_anything_starts(
    laptop: Laptop, fault: str, command: str
) -> None:
    changes, message = REFUSED[fault]
    before = executions(laptop)
    answer = laptop(command, laptop.request("refused", **changes), "--local", code=2)
    assert re.search(message, said(answer.stderr)), answer.stderr
    assert answer.stdout == ""
    assert executions(laptop) == before


FILES: dict[str, tuple[Callable[[], str], str]] = {
    "malformed JSON": (lambda: '{"use_case": "x",', r"line 1"),
    "not an object": (lambda: "[]", r"object"),
    "a key twice": (lambda: '{"use_case": "x", "use_case": "y"}', r"use_case.*twice|duplicate"),
    "NaN": (lambda: '{"use_case": "x", "hyperparameters": {"a": NaN}}', r"NaN|number|finite"),
    "empty": (lambda: "", r"empty|not JSON|line 1"),
    "50 MB": (lambda: '{"use_case": "' + "x" * 50_000_000 + '"}', r"256 KB|bytes"),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_file_that_is_no_request_is_refused(laptop: Laptop, fault: str) -> None:
    text, message = FILES[fault]
    answer = laptop("run", laptop.file("file.json", text()), "--local", code=2)
    assert re.search(message, said(answer.stderr)), answer.stderr
    assert answer.stderr.startswith("tunestep: file.json") or "file.json" in answer.stderr
    assert len(answer.stderr) < 1500
    assert answer.stdout == ""


def test_a_file_that_is_not_there_is_refused(laptop: Laptop) -> None:
    assert "nowhere.json" in laptop("run", "nowhere.json", "--local", code=2).stderr


NOT_MET: dict[str, tuple[dict[str, Any], str]] = {
    "unknown model": ({"base_model": "huggingface-reasoning-qwen3-06b"}, rf"\$\.base_model.*{QWEN}"),
    "technique the model lacks": (
        {"base_model": FULL_ONLY, "technique": "RLVR", "reward": {"preset": "gsm8k"}},
        r"\$\.technique.*SFT",
    ),
    "peft the model lacks": ({"base_model": FULL_ONLY}, r"\$\.peft.*FULL"),
    "hyperparameter out of range": (
        {"hyperparameters": {"max_epochs": 100_000}},
        r"\$\.hyperparameters\.max_epochs.*100000",
    ),
    "hyperparameter misspelt": ({"hyperparameters": {"max_epoch": 1}}, r"max_epoch.*max_epochs"),
    "missing dataset": (
        {"training_data": "s3://tunestep-123456789012-us-west-2/data/none.jsonl"},
        r"\$\.training_data.*none\.jsonl",
    ),
    "missing bucket": (
        {"training_data": "s3://no-such-bucket-anywhere/x.jsonl"},
        r"\$\.training_data.*no-such-bucket-anywhere",
    ),
    "dataset in another region": ({"training_data": "s3://elsewhere/x.jsonl"}, r"elsewhere.*eu-west-1"),
    "role that is not there": (
        {"execution_role": "arn:aws:iam::123456789012:role/nobody"},
        r"\$\.execution_role.*nobody",
    ),
    "role without trust": (
        {"execution_role": "arn:aws:iam::123456789012:role/untrusting"},
        r"\$\.execution_role.*sagemaker\.amazonaws\.com",
    ),
    "continued pre-training": ({"technique": "CPT"}, r"CPT"),
    "sequence length the model lacks": ({"sequence_length": "128K"}, r"\$\.sequence_length.*4K"),
}
"""Requests that read well and whose checks fail, all of them named in the message."""


@pytest.fixture(scope="session")
def furnished(laptop: Laptop) -> Laptop:
    """The cloud with a bucket in another region and a role that SageMaker may not take."""
    s3 = laptop.client("s3", "eu-west-1")
    s3.create_bucket(Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="elsewhere", Key="x.jsonl", Body=jsonl(sft_rows()).encode())
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    laptop.client("iam").create_role(
        RoleName="untrusting",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    return laptop


FEW = ("unknown model", "hyperparameter out of range", "missing dataset")


@pytest.mark.parametrize(
    "fault", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in NOT_MET]
)
def test_a_failed_check_is_told_by_plan_and_ends_the_run(furnished: Laptop, fault: str) -> None:
    laptop = furnished
    changes, message = NOT_MET[fault]
    jobs, groups = laptop.jobs(), laptop.groups()
    request = laptop.request("unmet", **changes)
    planned = laptop("plan", request, "--local", code=2)
    assert re.search(message, said(planned.stdout + planned.stderr)), planned.stdout + planned.stderr
    run = laptop("run", request, "--local", code=None)
    told = said(run.stdout + run.stderr)
    assert re.search(message, told), told
    if run.returncode == 1:
        assert "FAILED PrerequisitesNotMet" in told
        assert "mend the request" in told
        assert "tunestep retry" not in told
    else:
        assert run.returncode == 2
    assert (laptop.jobs(), laptop.groups()) == (jobs, groups)
    assert not [key for key in laptop.pending() if "unmet" in key]


FORGED: dict[str, Any] = {
    "plan": {"ok": True, "approval": {"needed": False}, "sha256": "0" * 64},
    "approval": {"decision": "APPROVED", "actor": "root"},
    "reward": {"verdict": "MET", "ok": True},
    "training": {"status": "Completed", "job_name": "j", "wait_seconds": 1},
    "request": {"use_case": "x"},
    "error": {"Error": "None", "Cause": ""},
}


@pytest.mark.parametrize("key", FORGED)
def test_an_execution_with_a_forged_key_is_refused_as_a_request_with_an_unknown_field(
    furnished: Laptop, key: str
) -> None:
    laptop, name = furnished, f"forged-{key}"
    document = {
        "use_case": "Forged",
        "technique": "SFT",
        "base_model": "meta-textgeneration-llama-3-2-1b-instruct",
        "training_data": "s3://elsewhere/x.jsonl",
        key: FORGED[key],
    }
    laptop.start_in_console(name, document)
    ended = laptop.ended(name)
    assert (ended["status"], ended["error"]) == ("FAILED", "PrerequisitesNotMet")
    assert f"$.{key}" in ended["cause"]
    states = laptop.states(name)
    assert states[-4:] == ["PrerequisitesNotMet", "CleanUp", "NotifyFailure", "Failed"]
    assert not {"AwaitApproval", "StartTraining"} & set(states)


def test_an_execution_whose_input_is_no_request_ends_under_a_name(laptop: Laptop) -> None:
    for index, text in enumerate(("[]", "7", '"request"', "null", "{}")):
        name = f"no-request-{index}"
        arn = laptop.machine_arn
        laptop.client("stepfunctions").start_execution(stateMachineArn=arn, name=name, input=text)
        ended = laptop.ended(name)
        assert (ended["status"], ended["error"]) == ("FAILED", "PrerequisitesNotMet"), ended


USAGE: list[tuple[list[str], str]] = [
    (["run"], "REQUEST"),
    (["frobnicate"], "frobnicate"),
    (["runn", "x.json"], "Did you mean run"),
    (["status", "--local", "--stack", "s"], "exclude"),
    (["run", "x.json", "--bogus"], "--bogus"),
    (["status", "no-such-run", "--local"], "there is no run"),
    (["watch", "no-such-run", "--local"], "there is no run"),
    (["approve", "no-such-run", "--local"], "there is no run"),
    (["stop", "no-such-run", "--local"], "there is no run"),
    (["retry", "no-such-run", "--local"], "there is no run"),
    (["decline", "x", "--local"], "--reason"),
    (["status"], "--local"),
    (["plan", "x.json", "--local", "--settings", "none.yaml"], "none.yaml|x.json"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[" ".join(case[0]) for case in USAGE])
def test_bad_usage_is_one_message_and_exit_code_2(laptop: Laptop, arguments: list[str], message: str) -> None:
    answer = laptop(*arguments, code=2)
    assert re.search(message, said(answer.stderr)), answer.stderr
    assert answer.stderr.startswith("tunestep: ")
    assert answer.stdout == ""


def executions(laptop: Laptop) -> int:
    arn = laptop.machine_arn
    return len(laptop.client("stepfunctions").list_executions(stateMachineArn=arn)["executions"])
