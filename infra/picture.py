"""The machine as a picture: an ASL definition in, the text of a Mermaid flowchart out.

``python -m infra.picture cdk.out/tunestep.template.json`` prints the one in the README.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from infra.definition import state_machine_definition

_COMPARISONS = ("StringEquals", "BooleanEquals", "NumericEquals")
_WAITING = ".waitForTaskToken"


def mermaid(definition: dict[str, Any]) -> str:
    """A flowchart of a definition.

    Errors that all go to one state are drawn once, from "any error", since a line from every state
    would hide the way that runs take; an error that goes where success goes is not drawn.
    """
    states: dict[str, Any] = definition["States"]
    ids = {name: f"s{number}" for number, name in enumerate(states)}
    common = _common_handler(states)
    lines = ["flowchart TD"]
    lines += [f"    {_box(ids[name], name, state)}" for name, state in states.items()]
    if common:
        lines += ['    errors(["any error"])', f"    errors -.-> {ids[common]}"]
    for name, state in states.items():
        for target, label in _ways(state):
            lines.append(f"    {ids[name]} -->{_label(label)} {ids[target]}")
        for catcher in state.get("Catch", []):
            if catcher["Next"] not in (common, state.get("Next")):
                errors = ", ".join(catcher["ErrorEquals"])
                label = "any error" if errors == "States.ALL" else errors
                lines.append(f"    {ids[name]} -.->{_label(label)} {ids[catcher['Next']]}")
    return "\n".join(lines) + "\n"


def _common_handler(states: dict[str, Any]) -> str:
    """The state that more than one Catch of States.ALL leads to most often; "" when there is none."""
    targets = Counter(
        catcher["Next"]
        for state in states.values()
        for catcher in state.get("Catch", [])
        if catcher["ErrorEquals"] == ["States.ALL"]
    )
    most = targets.most_common(1)
    return most[0][0] if most and most[0][1] > 1 else ""


def _box(id_: str, name: str, state: dict[str, Any]) -> str:
    if state["Type"] == "Choice":
        return f'{id_}{{"{name}"}}'
    if state["Type"] in ("Succeed", "Fail"):
        return f'{id_}(["{name}"])'
    if state["Type"] == "Task" and state["Resource"].endswith(_WAITING):
        return f'{id_}[/"{name}: waits"/]'
    return f'{id_}["{name}"]'


def _ways(state: dict[str, Any]) -> list[tuple[str, str]]:
    """(target, label) of every way out of a state that is not an error."""
    ways = [(rule["Next"], _condition(rule)) for rule in state.get("Choices", [])]
    if "Default" in state:
        ways.append((state["Default"], "otherwise"))
    if "Next" in state:
        ways.append((state["Next"], ""))
    return ways


def _condition(rule: dict[str, Any]) -> str:
    for comparison in _COMPARISONS:
        if comparison in rule:
            value = rule[comparison]
            return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    raise ValueError(f"the picture has no words for the rule {rule!r}")


def _label(text: str) -> str:
    return f'|"{text}"|' if text else ""


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(mermaid(state_machine_definition(document)), end="")
