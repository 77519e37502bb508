"""What must hold of any definition of the machine, whatever its states are: each lint lists what does not.

AWS checks none of this when a machine is created, and a path that is missing when a state runs is
States.Runtime, which nothing catches.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Definition = Mapping[str, Any]
State = Mapping[str, Any]
Lint = Callable[[Definition], list[str]]

LAMBDA_FAULTS = frozenset(
    f"Lambda.{name}"
    for name in ("ServiceException", "AWSLambdaException", "SdkClientException", "TooManyRequestsException")
)
RETRIED = {"StartTraining": LAMBDA_FAULTS | {"TransientFault", "QuotaReached"}}
"""What Retry may name (design section 3); any other Task that does not wait: transient faults."""

CATCH_EXCEPTIONS = {"Notify": "Done", "CleanUp": "NotifyFailure", "NotifyFailure": "Failed"}
"""Tasks whose failure changes nothing: where each goes on."""

CONTEXT = frozenset(
    {"$$.Execution.Id", "$$.Execution.Name", "$$.Execution.StartTime", "$$.State.Name", "$$.Task.Token"}
)

PROMISED: dict[str, tuple[str, ...]] = {
    "$.plan": ("ok", "errors", "approval.needed", "approval.state_timeout_seconds"),
    "$.dataset": ("review_needed",),
    "$.reward": ("verdict", "cause"),
    "$.claim": ("verdict", "cause"),
    "$.approval": ("decision", "cause"),
    "$.training": ("job_name", "status", "wait_seconds", "cause"),
    "$.results": ("model_package_arn", "summary"),
    "$.error": ("Error", "Cause"),
}
"""What a function's answer has in every case, by the path that it is written to. Runs of the real functions
are held to it in tests/faults/test_documents.py."""

PROMISED_IF = {("$.claim.verdict", "REUSED"): ("$.claim.results",)}
"""What more is there once a Choice has found a value."""

_PATH = re.compile(r"\$\$?(?:\.\w+)+|\$(?![.$\w])")


def states(definition: Definition) -> Mapping[str, State]:
    found: Mapping[str, State] = definition["States"]
    return found


def waits(state: State) -> bool:
    return str(state.get("Resource", "")).endswith(".waitForTaskToken")


def exits(state: State) -> list[str]:
    """Names of the states that may follow."""
    found = [state[key] for key in ("Next", "Default") if key in state]
    return found + [rule["Next"] for rule in (*state.get("Choices", []), *state.get("Catch", []))]


def reached(definition: Definition, start: str) -> set[str]:
    """Names of all states on any way from one of them, itself included."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in seen and name in states(definition):
            seen.add(name)
            todo += exits(states(definition)[name])
    return seen


def comments(definition: Definition) -> list[str]:
    """Every state says what it is for: people read the machine in the console."""
    return [f"{name} has no Comment" for name, state in states(definition).items() if not said(state)]


def said(state: State) -> bool:
    return len(str(state.get("Comment", "")).strip()) > 10


def reachability(definition: Definition) -> list[str]:
    """Every state is on a way from the first one, every way leads somewhere, and every end is an end."""
    known = states(definition)
    found = [f"{name} cannot be reached" for name in known if name not in _all_reached(definition)]
    for name, state in known.items():
        found += [f"{name} leads to {to}, which is no state" for to in exits(state) if to not in known]
        if not exits(state) and state["Type"] not in ("Succeed", "Fail") and not state.get("End"):
            found.append(f"{name} leads nowhere")
        if state["Type"] == "Choice" and "Default" not in state:
            found.append(f"{name} has no Default")
    return found


def _all_reached(definition: Definition) -> set[str]:
    return reached(definition, definition["StartAt"])


def tokens(definition: Definition) -> list[str]:
    """A state that waits gives its token away and ends by itself; no other reads one."""
    found = []
    for name, state in states(definition).items():
        passes = "$$.Task.Token" in {path for _, path in _templates(state.get("Parameters", {}))}
        if waits(state) and not passes:
            found.append(f"{name} waits for a token that nobody gets")
        if waits(state) and not {"TimeoutSeconds", "TimeoutSecondsPath"} & set(state):
            found.append(f"{name} may wait for ever")
        if not waits(state) and "$$.Task.Token" in str(state):
            found.append(f"{name} reads a token and does not wait")
    return found


def catches(definition: Definition) -> list[str]:
    """Whatever a Task fails with is caught, and what is caught never ends green."""
    found = []
    for name, state in states(definition).items():
        if state["Type"] != "Task":
            continue
        catchers = state.get("Catch", [])
        if not catchers or catchers[-1]["ErrorEquals"] != ["States.ALL"]:
            found.append(f"{name} does not catch everything")
        for catcher in catchers:
            target = catcher["Next"]
            if catcher.get("ResultPath") in (None, "$"):
                found.append(f"{name} loses the document when it catches")
            if name in CATCH_EXCEPTIONS:
                wrong = target != CATCH_EXCEPTIONS[name]
            else:
                ways = reached(definition, target)
                wrong = "CleanUp" not in ways or any(_green(definition, way) for way in ways)
            if wrong:
                found.append(f"{name} catches into {target}")
    return found


def _green(definition: Definition, name: str) -> bool:
    state = states(definition)[name]
    return state["Type"] == "Succeed" or bool(state.get("End"))


def retries(definition: Definition) -> list[str]:
    """Only what may pass is tried again, a bounded number of times, and not in step with others."""
    found = []
    for name, state in states(definition).items():
        allowed = LAMBDA_FAULTS if waits(state) else RETRIED.get(name, LAMBDA_FAULTS | {"TransientFault"})
        for retry in state.get("Retry", []):
            found += [f"{name} retries {error}" for error in retry["ErrorEquals"] if error not in allowed]
            if retry.get("JitterStrategy") != "FULL":
                found.append(f"{name} retries without jitter")
            if not 1 <= retry.get("MaxAttempts", 3) <= 10 or "MaxDelaySeconds" not in retry:
                found.append(f"{name} retries without a bound")
        if state["Type"] == "Task" and not state.get("Retry"):
            found.append(f"{name} does not retry what may pass")
    return found


def paths(definition: Definition) -> list[str]:
    """No state reads what not every way to it has written, nor an unknown part of the context."""
    before = _known_before(definition)
    found = []
    for name, state in states(definition).items():
        if name not in before:
            continue
        for path in _reads(state):
            if path.startswith("$$"):
                if path not in CONTEXT:
                    found.append(f"{name} reads {path}, which the context does not have")
            elif path != "$" and path not in before[name]:
                found.append(f"{name} reads {path}, which may not be there")
    return found


Known = frozenset[str]


def _known_before(definition: Definition) -> dict[str, Known]:
    """The paths that are there for certain when a state is entered: what all ways to it have in common."""
    before: dict[str, Known] = {definition["StartAt"]: frozenset()}
    todo = [definition["StartAt"]]
    while todo:
        name = todo.pop()
        for target, known in _after(states(definition)[name], before[name]):
            if target not in states(definition):
                continue
            merged = known if target not in before else before[target] & known
            if before.get(target) != merged:
                before[target] = merged
                todo.append(target)
    return before


def _after(state: State, known: Known) -> Iterator[tuple[str, Known]]:
    """(next state, paths that are there then) for each way out."""
    for catcher in state.get("Catch", []):
        yield catcher["Next"], _written(known, catcher.get("ResultPath", "$"), ("Error", "Cause"))
    for rule in state.get("Choices", []):
        key = (str(rule.get("Variable")), str(rule.get("StringEquals")))
        yield rule["Next"], known | set(PROMISED_IF.get(key, ()))
    if "Default" in state:
        yield state["Default"], known
    if "Next" in state:
        yield state["Next"], _result(state, known)


def _result(state: State, known: Known) -> Known:
    into = state.get("ResultPath", "$")
    if into is None:
        return known
    if state["Type"] == "Pass" and "Parameters" in state:
        keys = tuple(key.removesuffix(".$") for key in state["Parameters"])
    else:
        keys = PROMISED.get(into, ())
    return _written(known, into, keys)


def _written(known: Known, into: str, keys: tuple[str, ...]) -> Known:
    """What is there after something with these keys replaced what a path held."""
    kept = {path for path in known if into not in ("$", path) and not path.startswith(f"{into}.")}
    new = {into} if into != "$" else set()
    for key in keys:
        parts = key.split(".")
        new |= {".".join([into, *parts[:length]]) for length in range(1, len(parts) + 1)}
    return frozenset(kept | new)


def _reads(state: State) -> list[str]:
    """Every path that a state reads from its input or the context."""
    named = ("InputPath", "TimeoutSecondsPath", "HeartbeatSecondsPath", "ErrorPath", "CausePath")
    texts = [str(state[key]) for key in named if state.get(key)]
    texts += [text for _, text in _templates(state.get("Parameters", {}))]
    texts += [text for rule in state.get("Choices", []) for text in _tested(rule)]
    return [path for text in texts for path in _PATH.findall(text)]


def _tested(rule: Mapping[str, Any]) -> Iterator[str]:
    """Variables of a choice rule; IsPresent alone may look at what is not there."""
    for part in (*rule.get("And", []), *rule.get("Or", []), *([rule["Not"]] if "Not" in rule else [])):
        yield from _tested(part)
    if "IsPresent" not in rule and "Variable" in rule:
        yield rule["Variable"]
    yield from (value for key, value in rule.items() if key.endswith("Path"))


def _templates(value: Any) -> Iterator[tuple[str, str]]:
    """(key, path or intrinsic function) of every key of a payload template that ends in ``.$``."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key.endswith(".$"):
                yield key, str(inner)
            else:
                yield from _templates(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _templates(inner)


LINTS: dict[str, Lint] = {
    lint.__name__: lint for lint in (comments, reachability, tokens, catches, retries, paths)
}
