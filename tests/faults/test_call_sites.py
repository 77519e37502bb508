"""Every place of the code that calls AWS fails before its effect and after it, or it is said where else.

tests/faults/test_schedules.py fails every call of runs that nothing befalls. Here are the places that only
rarer ways come by; a place that no way comes by, and that nobody has named, is a failure too.
"""

import dataclasses
import json
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

from tests.faults import call_sites, invariants, wire
from tests.faults.call_sites import Place
from tests.faults.campaign import play
from tests.faults.ground import BUCKET, ROWS, Ground
from tests.faults.schedule import CLEAN
from tests.faults.simulation import Simulation
from tests.faults.test_permissions import WAYS, Told, Way, at, gated, open_
from tests.faults.wire import Call, Fault, Kind
from tunestep.local.interpreter.engine import Invocation
from tunestep.settings import Approval

pytestmark = pytest.mark.faults

KINDS: tuple[Kind, ...] = ("refused", "answer lost")
"""Before the effect and after it; each takes all attempts of the client with it."""

DELIVERIES = 5

CERTIFY, GATE, CLI = "tests/certify", "tests/gate", "called by the command alone"
ELSEWHERE: dict[tuple[str, str], str] = {
    ("certify/calls.py", "admit"): CERTIFY,
    ("certify/calls.py", "call"): CERTIFY,
    ("certify/step.py", "_timeout"): CERTIFY,
    ("checks/data.py", "_dataset"): "tests/unit/test_checks_data.py",
    ("checks/mlflow.py", "_all_apps"): CLI,
    ("checks/mlflow.py", "_by_name"): "tests/unit/test_checks_account.py",
    ("checks/role.py", "_arn_of"): CLI,
    ("dataset_check.py", "_store_quotes"): "tests/unit/test_dataset_check.py",
    ("checks/reward_evaluator.py", "by_arn"): "tests/unit/test_checks_reward.py",
    ("checks/reward_function.py", "_is_tagged"): "tests/unit/test_checks_reward.py",
    ("lambda_functions.py", "describe"): "tests/unit/test_checks_reward.py",
    ("gate/links.py", "open_link"): GATE,
    ("gate/pages.py", "_stands"): GATE,
    ("gate/slack_api.py", "_answer"): GATE,
    ("gate/slack_thread.py", "begun"): GATE,
    ("gate/announce.py", "notify"): GATE,
    ("run_notices.py", "waits"): "tests/unit/test_run_notices.py",
    ("data_sources.py", "registered"): CLI,
    ("datasets/sources.py", "in_s3"): CLI,
    ("presets.py", "save"): CLI,
    ("presets.py", "remove"): CLI,
    ("presets.py", "exists"): CLI,
}
"""(file, function) of places that no way here comes by, and where they are tried or who alone calls them."""


def again_for_another_purpose(sim: Told) -> None:
    sim.ask("start", {"request": {**sim.request, "use_case": "again"}, "source": "cli", "requester": "bob"})


def has_files_in_a_folder(sim: Told) -> None:
    for name in ("a", "b"):
        sim.ground.clients.s3.put_object(Bucket=BUCKET, Key=f"data/folder/{name}.jsonl", Body=ROWS.encode())


def takes_the_next_run_s_name(sim: Told) -> None:
    """In the console, and the command asks for the same before anybody has heard of it."""
    first, _, _ = sim.runs[0].rpartition("-")
    start = {"stateMachineArn": sim.context.env.machine_arn, "name": f"{first}-2"}
    sim.stepfunctions.dispatch("StartExecution", {**start, "input": json.dumps(sim.request)})
    sim.ask("start", {"request": sim.request, "source": "cli", "requester": "bob"})


def uploads_one_request(sim: Told) -> None:
    WAYS["runs are started by uploads"].other(sim)


MORE = {
    "nobody decides": Way(
        gated((3200, "reconcile"), (3700, "reconcile")), set(), {"approval": Approval(reminders=("10m",))}
    ),
    "the console has taken the name of the next run": Way(
        open_((5000, "other")), set(), other=takes_the_next_run_s_name
    ),
    "a stop dies before it withdraws the question": Way(
        gated(
            (600, "stop"),
            faults=tuple(at("stop", "stop.py sfn.SendTaskFailure", "dies", invocation=n) for n in (1, 2, 3)),
        ),
        set(),
    ),
    "an acceptance serves a second run": Way(
        gated((600, "approve"), (5000, "other")), set(), other=again_for_another_purpose
    ),
    "results are reused": Way(open_((5000, "start")), set(), request={"reuse": True}),
    "the answer about the job is lost": Way(
        open_(faults=(at("start_training", "training_start.py sagemaker.CreateTrainingJob", "answer lost"),)),
        set(),
    ),
    "the answer about the group is lost": Way(
        open_(
            faults=(at("prepare_registry", "registry.py sagemaker.CreateModelPackageGroup", "answer lost"),)
        ),
        set(),
    ),
    "the answer about the run's name is lost": Way(
        open_(faults=(Fault("start", 1, 0, "answer lost", 1, "", "start.py dynamodb.PutItem"),)), set()
    ),
    "uploads are refused once": Way(
        open_((5000, "other"), faults=(at("trigger", "start.py sfn.StartExecution", "refused"),)),
        set(),
        other=uploads_one_request,
    ),
    "the console starts a run": Way(open_(), set(), console=True),
    "the console starts a run, and its event is lost": Way(open_(events=((1, "lost"),)), set(), console=True),
    "the data are a folder": Way(
        open_(), set(), request={"training_data": f"s3://{BUCKET}/data/folder/"}, first=has_files_in_a_folder
    ),
    "the account's app is looked for": Way(open_(), set(), request={"mlflow": None}),
}
ALL = {**WAYS, **MORE}

FOREIGN = ("belongs to nobody", "accepted a licence", "billed were")
ODD = {
    "a job of the run's name is somebody else's": FOREIGN,
    "a job of the run's name is somebody else's, for the reconciler": FOREIGN,
    "a job does not say which package it made": ("hands out",),
    "results are reused": ("says {}, SageMaker says None",),
    "runs are started by uploads": ("train the same content",),
    "uploads are refused once": ("train the same content",),
}
"""What the invariants say of ways with more than one content, and with jobs of others."""


class Struck(Told):
    """A way in which one more call fails; what the queue delivers is delivered again."""

    def __init__(self, ground: Ground, name: str, *faults: Fault) -> None:
        self._way = ALL[name]
        seed = zlib.crc32(f"{name}{faults}".encode())
        schedule = self._way.schedule
        Simulation.__init__(
            self, ground, dataclasses.replace(schedule, seed=seed, faults=(*schedule.faults, *faults))
        )

    def call(self, verb: str, event: Any) -> Invocation:
        answer = super().call(verb, event)
        for _ in range(DELIVERIES - 1):
            if verb != "trigger" or not (answer.error or b"itemIdentifier" in answer.payload):
                break
            answer = super().call(verb, event)
        return answer


def problems(ground: Ground, name: str, *faults: Fault) -> list[str]:
    sim = Struck(ground, name, *faults)
    watch = invariants.Watch(sim)
    try:
        sim.play()
        found = [*watch.problems, *invariants.problems(sim)]
    finally:
        sim.close()
    return [said for said in found if not any(odd in said for odd in ODD.get(name, ()))]


class Played(NamedTuple):
    """The places that runs without faults come by, and of each other one the first way and call there."""

    clean: set[Place]
    rare: dict[Place, tuple[str, Call]]


@pytest.fixture(scope="module")
def ways(common_ground: Ground) -> Iterator[Played]:
    helpers = (*wire._HELPERS, "/tunestep/checks/calls.py")
    with patch.object(wire, "_HELPERS", helpers):
        code, clean, rare = call_sites.in_the_code(), set[Place](), dict[Place, tuple[str, Call]]()
        for schedule in CLEAN:
            play(common_ground, schedule)
            clean |= call_sites.played({(call.site, call.operation) for call in common_ground.wire.seen})
        for name in ALL:
            assert problems(common_ground, name) == [], name
            for call in common_ground.wire.seen:
                for place in call_sites.played({(call.site, call.operation)}) & (code - clean):
                    rare.setdefault(place, (name, call))
        yield Played(clean, rare)


def test_every_place_that_calls_aws_is_played_or_named(ways: Played) -> None:
    code = call_sites.in_the_code()
    unknown = {place for place in code - ways.clean - set(ways.rare) if place[:2] not in ELSEWHERE}
    assert unknown == set()
    needless = set(ELSEWHERE) - {place[:2] for place in code - ways.clean - set(ways.rare)}
    assert needless == set()


def test_every_rare_place_fails_before_and_after_and_nothing_is_lost(
    common_ground: Ground, ways: Played
) -> None:
    spared, wrong = [], dict[str, list[str]]()
    for place, (name, call) in ways.rare.items():
        for kind in KINDS:
            fault = Fault(call.verb, call.invocation, call.number, kind, 4)
            found = problems(common_ground, name, fault)
            struck = {(hit.site, hit.operation) for what, hit in common_ground.wire.struck if what == fault}
            if place not in call_sites.played(struck):
                spared.append((place, name, kind))
            if found:
                wrong[f"{place} {name}: {fault}"] = found
    assert wrong == {}
    assert spared == []


@pytest.mark.parametrize(
    "line",
    [
        "context.clients.sagemaker.stop_training_job(TrainingJobName=name)",
        "ask(context.clients.s3.head_object, Bucket=bucket)",
        "context.runs.get(pk, sk)",
        "tokens.fail(context, token, error)",
        "client.get_function_configuration(FunctionName=arn)",
    ],
)
def test_a_new_place_would_be_seen(line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "new.py").write_text(f"def calls(context, client, name):\n    return {line}\n")
    monkeypatch.setattr(call_sites, "ROOT", tmp_path)
    ((file, function, _),) = call_sites.in_the_code()
    assert (file, function) == ("new.py", "calls")
