"""What a run carries through its states, made by the real functions: small, and what the states rely on."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from tests.faults.ground import BUCKET, Ground
from tests.faults.jobs import Fate
from tests.faults.schedule import CLEAN, Deed, Schedule
from tests.faults.simulation import GATED_MODEL, Simulation
from tests.infra.machine_lints import PROMISED, PROMISED_IF
from tunestep.request_rules import (
    MAX_HYPERPARAMETER_NAME,
    MAX_HYPERPARAMETER_VALUE,
    MAX_HYPERPARAMETERS,
    MAX_REQUEST_BYTES,
)

DOCUMENT_LIMIT = 64 * 1024
PAYLOAD_LIMIT = 256 * 1024
HISTORY_LIMIT = 25_000
SPEC = "recipes/llmft-llama-3-2-1b-instruct-seq4k-gpu-sft-lora_override_params_sm_jobs_v1.0.0.json"
SPECS = "jumpstart-cache-prod-us-west-2"


class Asked(Simulation):
    """A schedule of another request; what crosses a state's border is counted."""

    def __init__(self, ground: Ground, schedule: Schedule, request: dict[str, Any]) -> None:
        self._request = request
        super().__init__(ground, schedule)

    @property
    def request(self) -> dict[str, Any]:
        return {**super().request, **self._request}

    def history(self, run_id: str) -> list[dict[str, Any]]:
        arn = self.context.execution_arn(run_id)
        events: list[dict[str, Any]] = self.stepfunctions.dispatch(
            "GetExecutionHistory", {"executionArn": arn, "maxResults": 1000}
        )["events"]
        return events

    def documents(self, run_id: str) -> list[dict[str, Any]]:
        """The document at each state's end, oldest first."""
        texts = [
            event["stateExitedEventDetails"]["output"]
            for event in self.history(run_id)
            if "stateExitedEventDetails" in event
        ]
        return [json.loads(text) for text in texts]


class FromConsole(Asked):
    """Started without the start function, which would have refused the request."""

    def do(self, deed: Deed) -> None:
        assert deed == "start"
        self.runs.append("console-1")
        start = {"stateMachineArn": self.context.env.machine_arn, "name": "console-1"}
        self.stepfunctions.dispatch("StartExecution", {**start, "input": json.dumps(self.request)})


@contextmanager
def played(
    ground: Ground, schedule: Schedule, request: dict[str, Any], *, console: bool = False
) -> Iterator[Asked]:
    sim = (FromConsole if console else Asked)(ground, schedule, request)
    try:
        sim.play()
        yield sim
    finally:
        sim.close()


def sizes(documents: list[dict[str, Any]]) -> list[int]:
    return [
        len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
        for document in documents
    ]


def payloads(history: list[dict[str, Any]]) -> list[int]:
    """Bytes of everything that Step Functions passes on: inputs and outputs of states and of tasks."""
    details = [value for event in history for key, value in event.items() if key.endswith("EventDetails")]
    texts = [entry[name] for entry in details for name in ("input", "output", "parameters") if name in entry]
    return [len(text.encode()) for text in texts]


HYPERPARAMETERS = [f"{number:0{MAX_HYPERPARAMETER_NAME}}" for number in range(MAX_HYPERPARAMETERS)]


@pytest.fixture
def hundred(common_ground: Ground) -> Iterator[None]:
    """The recipe takes a hundred hyperparameters with names and defaults as long as a job takes them."""
    s3 = common_ground.clients.s3
    before = s3.get_object(Bucket=SPECS, Key=SPEC)["Body"].read()
    entry = {"type": "string", "required": False, "default": "d" * MAX_HYPERPARAMETER_VALUE}
    spec = dict.fromkeys(HYPERPARAMETERS, entry)
    s3.put_object(Bucket=SPECS, Key=SPEC, Body=json.dumps(spec).encode())
    with patch.dict(common_ground.world.override_specs, {f"s3://{SPECS}/{SPEC}": spec}):
        yield
    s3.put_object(Bucket=SPECS, Key=SPEC, Body=before)


def filled(request: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The request with these hyperparameters, their values so long that it is as long as a request may be."""
    values = dict.fromkeys(names, "v")
    left = MAX_REQUEST_BYTES - sizes([{**request, "hyperparameters": values}])[0]
    for name in names:
        values[name] += "v" * min(left, MAX_HYPERPARAMETER_VALUE - 1)
        left -= len(values[name]) - 1
    return {**request, "hyperparameters": values}


LONG_KEY = "k" * (1024 - len(f"s3://{BUCKET}/data/") - 6) + ".jsonl"
LONGEST: dict[str, Any] = {
    "technique": "SFT",
    "base_model": GATED_MODEL,
    "use_case": "u" * 1900,
    "training_data": f"s3://{BUCKET}/data/{LONG_KEY}",
    "validation_data": f"s3://{BUCKET}/data/v{LONG_KEY[1:]}",
    "base_job_name": "j" * 63,
    "mlflow": False,
    "approval": {"require": "always", "timeout": "30d"},
    "limits": {"max_runtime": "2h"},
    "sequence_length": "4K",
}


SHORT = {**LONGEST, "use_case": "u", "base_job_name": "j", "training_data": f"s3://{BUCKET}/data/train.jsonl"}
del SHORT["validation_data"]


def put_long_data(ground: Ground) -> None:
    rows = ground.clients.s3.get_object(Bucket=BUCKET, Key="data/train.jsonl")["Body"].read()
    for field in ("training_data", "validation_data"):
        key = LONGEST[field].removeprefix(f"s3://{BUCKET}/")
        ground.clients.s3.put_object(Bucket=BUCKET, Key=key, Body=rows)


@pytest.mark.parametrize("given", [0, 80])
def test_a_maximal_request_keeps_the_document_below_64_kb(
    given: int, common_ground: Ground, hundred: None
) -> None:
    """A job of a hundred hyperparameters of full length, of a request that is as long as it may be."""
    put_long_data(common_ground)
    asked = filled(LONGEST, HYPERPARAMETERS[:given]) if given else LONGEST
    schedule = Schedule(seed=71 + given, gated=True, deeds=((30.0, "approve"),))
    with played(common_ground, schedule, asked) as sim:
        (run_id,), (job,) = sim.runs, sim.jobs.created
        history, documents = sim.history(run_id), sim.documents(run_id)
    assert history[-1]["type"] == "ExecutionSucceeded", "\n".join(sim.journal)
    sent = job.request["HyperParameters"]
    assert {len(name) for name in sent} == {MAX_HYPERPARAMETER_NAME}
    assert len(sent) == MAX_HYPERPARAMETERS
    full = sum(len(value) == MAX_HYPERPARAMETER_VALUE for value in sent.values())
    assert full >= MAX_HYPERPARAMETERS - given
    assert not given or sizes([documents[0]["request"]]) == [MAX_REQUEST_BYTES]
    assert max(sizes(documents)) < DOCUMENT_LIMIT
    assert max(payloads(history)) < PAYLOAD_LIMIT
    assert len(history) < HISTORY_LIMIT


def test_a_hundred_hyperparameters_that_nobody_knows_keep_it_below_64_kb(common_ground: Ground) -> None:
    asked = filled(SHORT, HYPERPARAMETERS)
    with played(common_ground, Schedule(seed=72), asked) as sim:
        (run_id,) = sim.runs
        history, documents = sim.history(run_id), sim.documents(run_id)
    assert history[-1]["executionFailedEventDetails"]["error"] == "PrerequisitesNotMet"
    assert documents[-1]["plan"]["findings_total"] >= MAX_HYPERPARAMETERS
    assert max(sizes(documents)) < DOCUMENT_LIMIT
    assert max(payloads(history)) < PAYLOAD_LIMIT


def test_a_request_that_is_too_large_is_refused_before_it_starts(common_ground: Ground) -> None:
    asked = {"hyperparameters": dict.fromkeys(HYPERPARAMETERS, "v" * MAX_HYPERPARAMETER_VALUE)}
    with played(common_ground, Schedule(seed=73), asked) as sim:
        assert sim.runs == []
        assert "REQUEST_TOO_LARGE" in "".join(sim.journal)


def test_a_request_that_is_too_large_in_the_console_fails_by_its_name(common_ground: Ground) -> None:
    asked = {"hyperparameters": dict.fromkeys(HYPERPARAMETERS, "v" * 2000)}
    with played(common_ground, Schedule(seed=74), asked, console=True) as sim:
        history = sim.history("console-1")
    ended = history[-1]["executionFailedEventDetails"]
    assert ended["error"] == "PrerequisitesNotMet"
    assert "REQUEST_TOO_LARGE" in ended["cause"]
    assert max(payloads(history)) < PAYLOAD_LIMIT


STORIES: list[tuple[str, Schedule, dict[str, Any]]] = [
    ("succeeds", CLEAN[0], {}),
    ("approved", CLEAN[1], {}),
    ("stopped", CLEAN[2], {}),
    ("declined", Schedule(seed=81, gated=True, deeds=((30.0, "decline"),)), {}),
    ("expires", Schedule(seed=82, gated=True), {}),
    ("job fails", Schedule(seed=83, fates=(Fate(ends="Failed"),)), {}),
    ("job is stopped", Schedule(seed=84, deeds=((600.0, "end the job"),)), {}),
    ("duplicate", Schedule(seed=85, deeds=((600.0, "start"),)), {}),
    ("reused", Schedule(seed=86, deeds=((9000.0, "start"),)), {"reuse": True}),
    ("refused", Schedule(seed=87), {"hyperparameters": {"unknown": 1}}),
    ("data is missing", Schedule(seed=88), {"training_data": f"s3://{BUCKET}/data/none.jsonl"}),
    ("not a request", Schedule(seed=89), {"base_model": None}),
]


@pytest.mark.parametrize(
    ("schedule", "request_"), [story[1:] for story in STORIES], ids=[s[0] for s in STORIES]
)
def test_what_states_rely_on_is_in_every_answer(
    schedule: Schedule, request_: dict[str, Any], common_ground: Ground
) -> None:
    """The lint of paths in tests/infra takes these promises for granted."""
    with played(common_ground, schedule, request_, console=request_.get("base_model", "") is None) as sim:
        found = [document for run_id in sim.runs for document in sim.documents(run_id)]
    assert found
    for document in found:
        missing = [path for path in promised(document) if not there(document, path)]
        assert missing == []


def promised(document: Mapping[str, Any]) -> list[str]:
    """Every path that must be there, given the keys that have been written."""
    paths = [
        f"{key}.{path}"
        for key, within in PROMISED.items()
        if key.removeprefix("$.") in document
        for path in within
    ]
    for (path, value), more in PROMISED_IF.items():
        if there(document, path) == value:
            paths += more
    return paths


def there(document: Any, path: str) -> Any:
    """The value at a path, for which None stands when there is none; false values count as there."""
    for part in path.removeprefix("$.").split("."):
        if not isinstance(document, dict) or part not in document:
            return None
        document = document[part]
    return "nothing" if document in (None, "", False, 0) else document
