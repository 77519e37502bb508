"""Small machines for scenarios."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.local.asl.machine import function
from tests.local.asl.runners import Script


class Scenario(NamedTuple):
    """One case. ``visits`` are states that it must reach, so that it shows what its name says."""

    name: str
    definition: Mapping[str, Any]
    script: Script
    document: Any
    visits: tuple[str, ...]


def machine(**states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def task(name: str = "work", **more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": function(name),
        **({"End": True} if "Next" not in more else {}),
        **more,
    }


def waiting(**more: Any) -> dict[str, Any]:
    resource = "arn:aws:states:::lambda:invoke.waitForTaskToken"
    payload = {"FunctionName": function("work"), "Payload": {"task_token.$": "$$.Task.Token"}}
    return {"Type": "Task", "Resource": resource, "Parameters": payload, "End": True, **more}


def branches(*rules: dict[str, Any], default: bool = True) -> dict[str, Any]:
    choices = [{**rule, "Next": f"Branch{index}"} for index, rule in enumerate(rules)]
    more = {"Default": "Other"} if default else {}
    states: dict[str, Any] = {"Choose": {"Type": "Choice", "Choices": choices, **more}}
    states |= {f"Branch{index}": {"Type": "Succeed"} for index in range(len(rules))}
    return machine(**states, **({"Other": {"Type": "Succeed"}} if default else {}))


def caught(*names: str, path: Any = "$.caught") -> list[dict[str, Any]]:
    return [{"ErrorEquals": list(names), "Next": "Caught", "ResultPath": path}]


CAUGHT = {"Type": "Pass", "End": True}
WORK = "tunestep-work"
