import json
import math
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from reward_functions import catalog, combine, exact_match, json_schema
from reward_functions.kit.try_out import row
from tests.rewards.hostile import REFERENCES, RESPONSES, schemas

ROOT = Path(__file__).parents[2]
DEADLINE = 20.0
"""Seconds, on a busy machine, in which a batch that hangs nowhere has to be back."""
GOLD: dict[str, Any] = {
    "exact_match": "42",
    "multiple_choice": "B",
    "text_similarity": "the cat sat on the mat",
    "json_schema": {"type": "object"},
    "tool_call": {"name": "book", "arguments": {"city": "Rome"}},
    "format": None,
    "combine": "42",
    "math_answer": "42",
}
GOOD: dict[str, str] = {
    "exact_match": "42",
    "multiple_choice": "B",
    "text_similarity": "the cat sat on the mat",
    "json_schema": "{}",
    "tool_call": '{"name": "book", "arguments": {"city": "Rome"}}',
    "format": "<think>a</think><answer>b</answer>",
    "combine": "42",
    "math_answer": r"\boxed{42}",
}


def serving(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    if name == "combine":
        monkeypatch.setenv("REWARD_CONFIG", '{"parts": {"exact_match": 1, "text_similarity": 1}}')
        return combine.handler
    return __import__(f"reward_functions.{name}", fromlist=["handler"]).handler


def test_every_reward_of_the_catalogue_is_attacked() -> None:
    assert set(GOLD) == set(GOOD) == set(catalog.names())


@pytest.mark.parametrize("name", sorted(GOLD))
def test_hostile_answers_earn_nothing_and_take_nothing_with_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = serving(name, monkeypatch)
    responses = [GOOD[name], *RESPONSES.values(), GOOD[name]]
    started = time.monotonic()
    answer = json.loads(handler([row(response, GOLD[name]) for response in responses])["body"])
    assert time.monotonic() - started < DEADLINE * 3
    scores = [item["aggregate_reward_score"] for item in answer]
    assert len(scores) == len(responses)
    assert scores[0] == scores[-1] == 1.0
    assert all(math.isfinite(score) for score in scores)
    earned = {key: score for key, score in zip(RESPONSES, scores[1:-1], strict=True) if score > 0}
    assert earned.keys() <= ({"Python in a call"} if name == "format" else set())


@pytest.mark.parametrize("name", sorted(GOLD))
@pytest.mark.parametrize("trap", REFERENCES)
def test_hostile_references_are_errors_or_wrong_answers_in_bounded_time(
    name: str, trap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = time.monotonic()
    (item,) = json.loads(serving(name, monkeypatch)([row("a" * 40 + "b", REFERENCES[trap])])["body"])
    assert time.monotonic() - started < DEADLINE
    assert item["aggregate_reward_score"] == 0.0


def test_a_backtracking_expression_costs_its_deadline_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARD_CONFIG", '{"mode": "regex"}')
    rows = [row("a" * 40 + "b", "(a+)+$"), row("aaa", "a+")]
    answer = json.loads(exact_match.handler(rows)["body"])
    assert [item["aggregate_reward_score"] for item in answer] == [0.0, 1.0]
    assert answer[0]["metrics_list"] == [{"name": "timeout", "value": 1.0, "type": "Metric"}]


@pytest.fixture
def listener() -> Any:
    """A server that notes every connection; rewards must make none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        reached: list[Any] = []
        done = threading.Event()

        def accept() -> None:
            while not done.is_set():
                try:
                    reached.append(server.accept())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", reached
        done.set()
        thread.join()


def test_schemas_reach_no_server_and_no_file(listener: Any, tmp_path: Path) -> None:
    address, reached = listener
    target = tmp_path / "schema.json"
    target.write_text('{"type": "string", "definitions": {"a": {}}}')
    link = tmp_path / "link.json"
    link.symlink_to(target)
    traps = schemas(address, str(link))
    answer = json.loads(
        json_schema.handler([row('"text"', {"schema": trap}) for trap in traps.values()])["body"]
    )
    time.sleep(0.1)
    assert reached == []
    outcomes = dict(zip(traps, answer, strict=True))
    for name, item in outcomes.items():
        failed = any(metric["name"] in ("error", "timeout") for metric in item["metrics_list"])
        # $recursiveRef always means the schema itself, whatever stands there.
        outside = any(word in name for word in ("http", "file", "path")) and "$recursiveRef" not in name
        assert failed or not outside, name


WATCH = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
from reward_functions.kit.try_out import sample
from tests.rewards.hostile import RESPONSES, REFERENCES, schemas
from tests.rewards.test_hostile import GOLD
from reward_functions import exact_match, format, json_schema, multiple_choice, text_similarity, tool_call
rewards = {name: globals()[name] for name in
    ("exact_match", "format", "json_schema", "multiple_choice", "text_similarity", "tool_call")}
for reward in rewards.values():
    try: reward.score(sample("x", "x"))
    except ValueError: pass
WATCHED = ("open", "socket.", "subprocess.", "os.", "exec", "compile", "import", "ctypes.", "pickle.",
    "shutil.", "urllib.", "tempfile.")
seen = []
def watch(event, args):
    if watching and event.startswith(WATCHED):
        seen.append((event, str(args)[:200]))
watching = False
sys.addaudithook(watch)
for name, reward in rewards.items():
    cases = [(response, GOLD[name]) for response in RESPONSES.values()]
    cases += [("x", reference) for reference in REFERENCES.values()]
    if name == "json_schema":
        cases += [("1", {"schema": schema}) for key, schema in schemas("127.0.0.1:9", "/etc/passwd").items()
                  if "endless" not in key]
    for response, reference in cases:
        watching = True
        try: reward.score(sample(response, reference))
        except ValueError: pass
        watching = False
print(json.dumps(seen))
"""


def test_no_reward_opens_runs_imports_or_evaluates_anything() -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", WATCH, str(ROOT)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "REWARD_CONFIG": ""},
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert not Path("/tmp/pwned").exists()
