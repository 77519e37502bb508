"""The npm package aws-local-stepfunctions under the same scripts, and where its packages are found."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from infra import node
from tests.local.asl.build import Scenario
from tests.local.asl.moto_runner import SHORT, scaled
from tests.local.asl.runners import Action, Fails, Outcome, Raises, Refuses, Returns, Sends, Silent, raised

PACKAGES = Path(__file__).resolve().parents[2] / "npm"


def run_node(script: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script below ``tests/npm`` with the Node of the wheel."""
    wheel = node.wheel()
    assert wheel is not None
    if not (PACKAGES / "node_modules" / ".package-lock.json").is_file():
        pytest.fail("the packages of tests/npm are not installed: make npm-packages")
    return subprocess.run(  # noqa: S603 - pinned scripts
        [str(wheel / "bin" / "node"), str(PACKAGES / script), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _action(action: Action) -> dict[str, Any]:
    """An action as the script in ``tests/npm`` reads it: errors are what Step Functions makes of them."""
    match action:
        case Returns(value, after):
            return {"do": "return", "value": value, "after": SHORT + 1 if after else 0}
        case Raises() as error:
            return {"do": "throw", "error": error.name, "cause": raised(error).decode()}
        case Refuses(code):
            return {"do": "throw", "error": f"Lambda.{code}", "cause": "refused"}
        case Sends(output):
            return {"do": "return", "value": output}
        case Fails(error, cause):
            return {"do": "throw", "error": error, "cause": cause}
        case Silent():
            return {"do": "nothing"}


def _by_state(scenario: Scenario) -> dict[str, Sequence[Action]]:
    """The actions of every Task: those of its name, or of its function."""
    found = {}
    for name, state in scenario.definition["States"].items():
        if state["Type"] == "Task":
            function = state.get("Parameters", {}).get("FunctionName", state["Resource"]).rpartition(":")[2]
            found[name] = scenario.script[name if name in scenario.script else function]
    return found


def _definition(scenario: Scenario) -> dict[str, Any]:
    """A copy whose time-outs pass soon, and are looked for where this interpreter looks: in what a function
    gets (a row of NPM_DIFFERENCES)."""
    definition = scaled(scenario.definition, scenario.script)
    for state in definition["States"].values():
        if "TimeoutSecondsPath" in state and "Payload" in state.get("Parameters", {}):
            state["TimeoutSecondsPath"] = "$.Payload.document" + state["TimeoutSecondsPath"].removeprefix("$")
    return definition


def run_npm(scenarios: Iterable[Scenario]) -> Mapping[str, Outcome]:
    """Run scenarios to their ends; outcomes by the scenarios' names."""
    told = [
        {
            "name": scenario.name,
            "definition": _definition(scenario),
            "script": {
                state: [_action(action) for action in actions]
                for state, actions in _by_state(scenario).items()
            },
            "document": scenario.document,
        }
        for scenario in scenarios
    ]
    done = run_node("run_scenarios.mjs", text=json.dumps(told))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {name: Outcome(**{**outcome, "path": tuple(outcome["path"])}) for name, outcome in found.items()}
