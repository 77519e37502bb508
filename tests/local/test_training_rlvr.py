"""Reinforcement with a reward function, from request.json to the uploaded report, over the Lambda API."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from werkzeug.serving import make_server

from tests.local.reward_cloud import (
    BUCKET,
    EVALUATOR,
    PROMPT_EVALUATOR,
    RaisedError,
    RewardCloud,
    answer_of,
    open_weights,
    ran,
    serving,
)
from tunestep.local.mlflow import MlflowService
from tunestep.local.training import WORKER_ENV, WORKER_MODULE, reward_contract, reward_lambda
from tunestep.local.training.final_answer import agrees, final_answer
from tunestep.local.training.reward_contract import Asked, RewardFault
from tunestep.local.training.stop import StopSignal
from tunestep.local.training.tracking import http_sender

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[RewardCloud]:
    with serving() as cloud:
        yield cloud


@pytest.fixture
def cloud(endpoint: RewardCloud) -> RewardCloud:
    endpoint.events.clear()
    endpoint.function = exact
    return endpoint


def example_rows(count: int, name: str = "train") -> list[dict[str, Any]]:
    lines = (EXAMPLES / "rlvr" / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[:count]]


def results(event: Any, score: Any, **more: Any) -> list[dict[str, Any]]:
    """The same verdict on every answer."""
    return [{"id": item["id"], "aggregate_reward_score": score, **more} for item in event]


def exact(event: Any) -> Any:
    """Right or wrong, and a metric and a part of the reward beside."""
    judged = []
    for item in event:
        right = float(agrees(answer_of(item), item["reference_answer"]))
        metrics = [
            {"name": "marked", "value": float("####" in answer_of(item)), "type": "Metric"},
            {"name": "right", "value": right, "type": "Reward"},
        ]
        judged.append({"id": item["id"], "aggregate_reward_score": right, "metrics_list": metrics})
    return open_weights(judged)


def by_length(event: Any) -> Any:
    """A reward that has a spread whatever the model writes."""
    return open_weights(
        [{"id": item["id"], "aggregate_reward_score": len(answer_of(item)) / 64} for item in event]
    )


def model_of(cloud: RewardCloud, status: Any, folder: Path) -> dict[str, np.ndarray]:
    key = status["model_s3_uri"].removeprefix(f"s3://{BUCKET}/") + "model.safetensors"
    path = folder / "saved.safetensors"
    cloud.s3.download_file(BUCKET, key, str(path))
    return dict(load_file(path))


def test_a_job_trains_by_the_function_and_leaves_model_report_and_samples(
    cloud: RewardCloud, tmp_path: Path
) -> None:
    train = cloud.rows("rlvr/train.jsonl", example_rows(24))
    check = cloud.rows("rlvr/validation.jsonl", example_rows(8, "validation"))
    cloud.function = by_length
    status = ran(cloud.job(tmp_path / "whole", train, validation=check))

    assert (status["status"], status.get("failure_reason")) == ("Completed", None)
    assert status["progress"] == {
        "CurrentStep": 2,
        "TotalStepCountPerEpoch": 2,
        "CurrentEpoch": 1,
        "MaxEpoch": 1,
    }
    assert {
        "critic/rewards/mean",
        "critic/rewards/max",
        "critic/rewards/min",
        "critic/advantages/mean",
        "response_length/mean",
        "response_length/clip_ratio",
        "actor/entropy_loss",
        "actor/grad_norm",
    } <= status["report"]["metrics"].keys()
    assert status["report"]["exact_match"].keys() == {"before", "after", "rows"}
    stored = cloud.s3.get_object(Bucket=BUCKET, Key="output/whole/output/report.json")["Body"].read()
    report = json.loads(stored)
    assert [sample["rank"] for sample in report["samples"]] == ["best"] * 3 + ["worst"] * 3
    scores = [sample["score"] for sample in report["samples"]]
    assert scores == sorted(scores[:3], reverse=True) + sorted(scores[3:])
    assert max(scores[3:]) <= min(scores[:3])
    assert "Answers are judged by the reward function" in " ".join(report["notes"])
    assert "mixed styles" in " ".join(report["notes"])


def test_the_metrics_reach_mlflow_under_names_that_it_takes(cloud: RewardCloud, tmp_path: Path) -> None:
    def odd(event: Any) -> Any:
        judged = json.loads(by_length(event)["body"])
        entry = {"name": "länge @1", "value": 2.0, "type": "Metric"}
        return open_weights([item | {"metrics_list": [entry]} for item in judged])

    cloud.function = odd
    server = make_server("127.0.0.1", 0, MlflowService(tmp_path / "mlflow.sqlite"), threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        train = cloud.rows("mlflow.jsonl", example_rows(20))
        status = ran(cloud.job(tmp_path / "mlflow", train, mlflow=url))
        run = http_sender(url)("GET", f"runs/get?run_id={status['mlflow']['run_id']}", None)["run"]
    finally:
        server.shutdown()
    logged = {entry["key"]: entry["value"] for entry in run["data"]["metrics"]}
    assert logged["reward/l_nge _1"] == 2.0
    assert {"critic/rewards/mean", "actor/entropy_loss", "val/exact_match"} <= logged.keys()


def test_the_function_is_sent_the_row_the_answer_an_id_and_the_reference(
    cloud: RewardCloud, tmp_path: Path
) -> None:
    rows = example_rows(7)
    rows[0]["id"], rows[1]["id"], rows[2]["reference_answer"] = "own", "own", {"value": 3}
    cloud.function = by_length
    ran(cloud.job(tmp_path / "sent", cloud.rows("sent.jsonl", rows)))
    (event,) = cloud.events
    assert len(event) == 7 * 4
    assert len({item["id"] for item in event}) == len(event)
    by_question = {row["prompt"][0]["content"]: row for row in rows}
    for item in event:
        asked, answered = item["messages"]
        row = by_question[asked["content"]]
        assert answered["role"] == "assistant"
        assert {name: item[name] for name in row if name not in ("id", "reference_answer")} == {
            name: row[name] for name in row if name not in ("id", "reference_answer")
        }
        expected = row.get("reference_answer", row["reward_model"]["ground_truth"])
        assert item["reference_answer"] == expected


def test_a_nova_job_takes_a_bare_list_and_an_open_weights_job_does_not(
    cloud: RewardCloud, tmp_path: Path
) -> None:
    train = cloud.rows("nova.jsonl", example_rows(9))
    cloud.function = lambda event: json.loads(by_length(event)["body"])
    nova = ran(cloud.job(tmp_path / "nova", train, base_model="nova-textgeneration-lite-v2"))
    assert nova["status"] == "Completed"
    other = ran(cloud.job(tmp_path / "open", train))
    assert "For an open-weights model the answer has to be" in other["failure_reason"]
    cloud.function = by_length
    wrapped = ran(cloud.job(tmp_path / "wrapped", train, base_model="nova-textgeneration-lite-v2"))
    assert "For a Nova model the answer has to be a bare list, not an object" in wrapped["failure_reason"]


def test_a_constant_reward_leaves_the_weights_unchanged_and_warns(cloud: RewardCloud, tmp_path: Path) -> None:
    train = cloud.rows("constant.jsonl", example_rows(18))
    cloud.function = by_length
    first = ran(cloud.job(tmp_path / "first", train, peft=None))
    cloud.function = lambda event: open_weights(results(event, 0.5))
    values = {"weight_decay": "0.1", "max_epochs": "2"}
    second = ran(
        cloud.job(tmp_path / "second", train, source=first["model_s3_uri"], peft=None, hyperparameters=values)
    )
    before, after = (model_of(cloud, status, tmp_path) for status in (first, second))
    assert all(np.array_equal(before[name], after[name]) for name in before)
    (warning,) = second["report"]["warnings"]
    assert "the same score (0.5)" in warning
    assert "the weights did not change" in warning


def fails(event: Any) -> Any:
    raise RaisedError("no such column: gold")


def short(event: Any) -> Any:
    return open_weights(results(event, 1.0)[1:])


def swapped(event: Any) -> Any:
    return open_weights(list(reversed(results(event, 1.0))))


def foreign(event: Any) -> Any:
    return open_weights([*results(event, 1.0)[:-1], {"id": "another", "aggregate_reward_score": 1.0}])


def named(score: Any = 1.0, **more: Any) -> Any:
    return lambda event: open_weights(results(event, score, **more))


def metric(**changes: Any) -> Any:
    entry = {"name": "right", "value": 1.0, "type": "Metric"} | changes
    return named(metrics_list=[entry])


HOSTILE = [
    (fails, "it failed: Raised: no such column: gold"),
    (
        lambda event: {"errorType": "KeyError", "errorMessage": "gold"},
        "The answer is an error document (KeyError)",
    ),
    (short, "15 results came back for 16 rows"),
    (swapped, "The results are not in the order"),
    (foreign, "Result 16 has an id that is not its row's"),
    (lambda event: open_weights([{"aggregate_reward_score": 1.0} for _ in event]), "Result 1 has no id"),
    (lambda event: open_weights([1.0 for _ in event]), "Result 1 has to be an object, not a number"),
    (lambda event: open_weights([{"id": item["id"]} for item in event]), "has no aggregate_reward_score"),
    (named("0.7"), "has to be a number, not a text"),
    (named(True), "has to be a number, not true or false"),
    (named(None), "has to be a number, not nothing"),
    (named(math.nan), "has to be a finite number, not nan"),
    (named(math.inf), "has to be a finite number, not inf"),
    (named(10**400), "has to be a finite number, not inf"),
    (named(metrics_list={"right": 1.0}), "metrics_list of result 1 has to be a list, not an object"),
    (named(metrics_list=[{"name": "a", "value": 1, "type": "Metric"}] * 51), "has more than 50 metrics"),
    (metric(value="1"), "metric right of result 1 has to be a number"),
    (metric(value=math.nan), "has to be a finite number"),
    (metric(name=""), "has no name"),
    (metric(type="Score"), "has to be Metric or Reward"),
    (lambda event: {"statusCode": 500, "body": "[]"}, "statusCode is 500, not 200"),
    (lambda event: {"body": "[]"}, "statusCode is None, not 200"),
    (lambda event: {"statusCode": 200, "body": []}, "body has to be a list as JSON text, not a list"),
    (lambda event: {"statusCode": 200, "body": "[1,"}, "body is not JSON"),
    (lambda event: {"statusCode": 200, "body": "{}"}, "body has to hold a list, not an object"),
    (lambda event: None, "not nothing"),
    (lambda event: b"<html>", "The answer is not JSON"),
    (lambda event: b"[" * 100_000, "The answer is not JSON"),
    (lambda event: b'"' + b"x" * (5 * 1024 * 1024) + b'"', "its answer is larger than"),
    (metric(name="error"), "could not judge 16 of the first 16 answers"),
    (metric(name="timeout"), "could not judge 16 of the first 16 answers"),
]


@pytest.mark.parametrize(("function", "reason"), HOSTILE, ids=[reason for _, reason in HOSTILE])
def test_a_reward_that_breaks_the_contract_fails_the_job_with_the_reason(
    cloud: RewardCloud, tmp_path: Path, function: Any, reason: str
) -> None:
    cloud.function = function
    train = cloud.rows("hostile.jsonl", example_rows(4))
    status = ran(cloud.job(tmp_path / "hostile", train, hyperparameters={"train_val_split_ratio": "1"}))
    assert status["status"] == "Failed"
    assert status["failure_reason"].startswith("ClientError: The reward ")
    assert reason in status["failure_reason"]
    assert len(cloud.events) == 1


def test_a_few_answers_that_cannot_be_judged_are_left_out_and_told(
    cloud: RewardCloud, tmp_path: Path
) -> None:
    def mostly(event: Any) -> Any:
        judged = json.loads(by_length(event)["body"])
        judged[0]["metrics_list"] = [{"name": "timeout", "value": 1.0, "type": "Metric"}]
        return open_weights(judged)

    cloud.function = mostly
    status = ran(cloud.job(tmp_path / "mostly", cloud.rows("mostly.jsonl", example_rows(18))))
    assert status["status"] == "Completed"
    assert "could not judge 2 of 68 answers" in " ".join(status["report"]["warnings"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"evaluator": None}, "RLVR needs EvaluatorArn or the hyperparameter preset_reward_function"),
        ({"evaluator": PROMPT_EVALUATOR}, "is not an evaluator of type RewardFunction"),
        ({"evaluator": EVALUATOR.replace("/1.0.0", "")}, "cannot be described"),
        (
            {"evaluator": None, "hyperparameters": {"preset_reward_function": "prime_code"}},
            "the preset reward prime_code cannot be tried on a laptop",
        ),
        ({"hyperparameters": {"rollout_n": "1"}}, "rollout_n must be at least 2"),
        ({"hyperparameters": {"rollout_temperature": "0"}}, "hyperparameter rollout_temperature must"),
    ],
)
def test_a_reward_or_rollout_that_cannot_be_is_refused_before_anything_is_invoked(
    cloud: RewardCloud, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    status = ran(cloud.job(tmp_path / "refused", cloud.rows("refused.jsonl", example_rows(4)), **changes))
    assert status["status"] == "Failed"
    assert reason in status["failure_reason"]
    assert cloud.events == []


@pytest.mark.parametrize("preset", ["gsm8k", "prime_math"])
def test_a_preset_is_a_stand_in_that_says_so(cloud: RewardCloud, tmp_path: Path, preset: str) -> None:
    status = ran(
        cloud.job(
            tmp_path / preset,
            cloud.rows("preset.jsonl", example_rows(6)),
            evaluator=None,
            hyperparameters={"preset_reward_function": preset},
        )
    )
    assert status["status"] == "Completed"
    assert f"a stand-in for the preset reward {preset}" in status["report"]["rewarded_by"]
    assert cloud.events == []


def test_a_stop_is_heeded_after_the_step_and_the_model_is_kept(cloud: RewardCloud, tmp_path: Path) -> None:
    stop = StopSignal()

    def stopping(event: Any) -> Any:
        if len(cloud.events) == 2:
            stop.request()
        return by_length(event)

    cloud.function = stopping
    train = cloud.rows("stop.jsonl", example_rows(48))
    status = ran(cloud.job(tmp_path / "stop", train, hyperparameters={"max_epochs": "20"}), stop)
    assert (status["status"], status["progress"]["CurrentStep"]) == ("Stopped", 2)
    assert status["model_s3_uri"]


@pytest.mark.slow
def test_equal_seeds_train_equal_weights_with_and_without_divergence(
    cloud: RewardCloud, tmp_path: Path
) -> None:
    cloud.function = by_length
    train = cloud.rows("seeds.jsonl", example_rows(18))
    cases = {"a": ("1", "False"), "b": ("1", "False"), "c": ("2", "False"), "d": ("1", "True")}
    saved = {}
    for name, (seed, wanted) in cases.items():
        values = {"seed": seed, "use_kl_loss": wanted, "kl_loss_coef": "1", "max_epochs": "2"}
        status = ran(cloud.job(tmp_path / name, train, hyperparameters=values))
        assert ("actor/kl_loss" in status["report"]["metrics"]) == (wanted == "True")
        saved[name] = model_of(cloud, status, tmp_path)
    assert all(np.array_equal(saved["a"][name], saved["b"][name]) for name in saved["a"])
    for other in ("c", "d"):
        assert any(not np.array_equal(saved["a"][name], saved[other][name]) for name in saved["a"])


def test_a_batch_never_passes_the_limits_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Recorder:
        """Stands for the Lambda client, of which only the calls' sizes matter here."""

        def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803 - boto3's names
            sizes.append(len(Payload))
            body = json.dumps(results(json.loads(Payload), 1.0)).encode()
            return {"Payload": type("Body", (), {"read": lambda _, most: body})()}

    monkeypatch.setattr(reward_lambda, "MAX_BYTES", 4000)
    asked = [Asked(f"id-{n}", {"text": "é" * (n * 3)}, [], "an answer", n) for n in range(150)]
    reward = reward_lambda.LambdaReward(Recorder(), "arn:aws:lambda:r:1:function:f", "nova")
    assert len(reward.rate(asked)) == 150
    assert max(sizes) <= 4000 + 2 * reward_lambda.MAX_BATCH
    with pytest.raises(RewardFault, match="row of answer big is too large"):
        reward.rate([Asked("big", {"text": "x" * 5000}, [], "", None)])


@pytest.mark.parametrize(
    ("written", "expected", "same"),
    [
        ("3+5=8\n#### 8", "8", True),
        ("#### 8.", "8", True),
        ("#### 1,234", "1234", True),
        ("so \\boxed{8}", "8", True),
        ("8", "3+5=8\n#### 8", True),
        (" Paris ", "paris", True),
        ("#### 8 or 9", "8", False),
        ("#### 8\n#### 9", "8", False),
        ("3+5=8", "8", False),
        ("", "8", False),
        ("", "", False),
        ("####", "####", False),
        ("#### 80", "8", False),
    ],
)
def test_the_final_answer_decides(written: str, expected: str, same: bool) -> None:
    assert agrees(written, expected) is same
    assert agrees(f"Think.\n#### {final_answer(written)}", expected) is same


def test_what_the_function_sees_never_lacks_the_answer() -> None:
    asked = Asked("a", {"messages": [{"role": "user", "content": "?"}]}, [{"role": "user"}], "out", None)
    (sent,) = reward_contract.event([asked])
    assert sent["messages"] == [{"role": "user"}, {"role": "assistant", "content": "out"}]
    assert "reference_answer" not in sent


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_example_raises_held_out_exact_match(cloud: RewardCloud, tmp_path: Path, seed: int) -> None:
    """By at least 0.20 on every one of these seeds."""
    train, check = (
        cloud.rows(f"claim/{name}.jsonl", example_rows(10_000, name)) for name in ("train", "validation")
    )
    values = json.loads((EXAMPLES / "rlvr" / "request.json").read_text())["hyperparameters"]
    asked = {name: str(value) for name, value in values.items()} | {"seed": str(seed), "rollout_n": "8"}
    folder = cloud.job(tmp_path / "claim", train, validation=check, hyperparameters=asked, model={})
    # In a process of its own, as in the laptop cloud: one thread, which makes the figures repeatable.
    subprocess.run(  # noqa: S603 - this interpreter, our module
        [sys.executable, "-m", WORKER_MODULE, str(folder)],
        env=os.environ | WORKER_ENV,
        cwd=EXAMPLES.parent,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    status = json.loads((folder / "status.json").read_text())
    found = status["report"]["exact_match"]
    assert found["after"] - found["before"] >= 0.20, found
    assert status["report"]["warnings"] == []
