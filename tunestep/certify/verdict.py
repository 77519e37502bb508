"""From probes to findings and to what the run keeps of them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tunestep.certify import probes, timing
from tunestep.certify.answers import FORMS
from tunestep.certify.outcomes import Example, Probe
from tunestep.findings import Finding, error, info, warning

MOST_PROBES = 40
"""Most lines of the table that the run's document carries."""

_FAILED = {
    "right answers": (
        "REWARD_GOLD_LOW",
        "Right answers score {score} on average, {limit} is needed (best form: {detail}).",
        "Look at the examples: either the reward misreads right answers, or the references are wrong.",
    ),
    "not constant": (
        "REWARD_CONSTANT",
        "Every answer has the same score, so that nothing can be learnt from it.",
        "Make the score depend on the answer.",
    ),
    "same batch, same scores": (
        "REWARD_NOT_DETERMINISTIC",
        "The same batch sent twice is scored differently: {detail}.",
        "Remove chance and state from the reward.",
    ),
    "other order, same scores": (
        "REWARD_NOT_DETERMINISTIC",
        "The same rows in another order are scored differently: {detail}.",
        "Score each row by itself, and keep the order of the results.",
    ),
    "malformed rows stay alone": (
        "REWARD_BATCH_LOST",
        "Malformed rows change or lose the results of the others: {detail}.",
        "Catch what goes wrong with a row, and answer that row with a score of 0 and a metric error.",
    ),
}
_WRONG = (
    "REWARD_WRONG_HIGH",
    "Wrong answers score {score} on average where {limit} is allowed ({name}{form}).",
    "Let only the final answer count. A graded reward may be given more room with reward.certify.max_wrong.",
)
_SLOW = (
    "REWARD_TOO_SLOW",
    "It is not answered {limit}, the function's time-out ({name}): {detail}.",
    "Make the reward faster, give the function more memory, or raise its time-out.",
)
_BROKEN = {
    "timeout": (
        "REWARD_TIMES_OUT",
        "The function does not answer in time ({name}). {detail}",
        "Give each row a deadline, or raise the function's time-out.",
    ),
    "error": (
        "REWARD_FAILS",
        "The function fails ({name}). {detail}",
        "Look at the function's log and at the examples.",
    ),
}
_CONTRACT = (
    "REWARD_CONTRACT",
    "The answer of the function breaks the contract. {detail}",
    "One object per row, in the same order: id, aggregate_reward_score and metrics_list, in the envelope "
    "that the model's family asks for.",
)
_UNANSWERED = (
    "REWARD_CONTRACT",
    "The function gives no answer to the first rows. {detail}",
    "Look at what it says and at its log: it has to load, and to answer rows such as those of the data.",
)
_FIRST_TOO_LATE = (
    "REWARD_TIMES_OUT",
    "The function does not answer the first rows in time. {detail}",
    "If it loads much at its first call, raise its time-out; otherwise give each row a deadline.",
)
_NO_TIME = (
    "REWARD_TOO_SLOW",
    "The time for certification was used up before all probes were run ({names}).",
    "Make the reward faster, or probe fewer rows with reward.certify.sample.",
)


def findings(table: Sequence[Probe], forms: dict[str, float], min_gold: float, where: str) -> list[Finding]:
    """What the table says about the reward, worst first."""
    found = [_error(probe, where) for probe in table if probe.outcome not in ("pass", "not run")]
    return [*found, *_slow_start(table, where), *_unprobed(table, where), *_forms(forms, min_gold, where)]


def _slow_start(table: Sequence[Probe], where: str) -> list[Finding]:
    """Whether the function answers, but not at its first call."""
    return [
        warning(
            "REWARD_SLOW_START",
            where,
            f"The first call of the function was ended at its time-out; it answers {probe.detail}. "
            "Training may meet a cold function too.",
            "Raise the function's time-out, or load less at its first call.",
        )
        for probe in table[:1]
        if probe.outcome == "pass" and probe.detail
    ]


def _error(probe: Probe, where: str) -> Finding:
    if probe.outcome in _BROKEN:
        code, message, fix = _BROKEN[probe.outcome]
        if probe.name == probes.NAMES[0]:
            code, message, fix = _first(probe)
    elif probe.name in timing.NAMES:
        code, message, fix = _SLOW
    else:
        code, message, fix = _FAILED.get(probe.name, _WRONG)
    detail = probe.detail.removeprefix("form: ").removeprefix(probes.NOT_ANSWERED)
    score = "nothing" if probe.score is None else f"{probe.score:.2f}"
    text = message.format(
        name=probe.name,
        score=score,
        limit=probe.limit,
        detail=detail,
        form=f", written as {detail}" if detail else "",
    )
    return error(code, where, text, fix, kind="reward")


def _first(probe: Probe) -> tuple[str, str, str]:
    """What is said of a function whose first call came to nothing."""
    if probe.outcome == "timeout":
        return _FIRST_TOO_LATE
    return _UNANSWERED if probe.detail.startswith(probes.NOT_ANSWERED) else _CONTRACT


def _unprobed(table: Sequence[Probe], where: str) -> list[Finding]:
    reasons: dict[str, list[str]] = {}
    for probe in table:
        if probe.outcome == "not run":
            reasons.setdefault(probe.detail, []).append(probe.name)
    found = []
    for reason, left in reasons.items():
        if "used up" in reason:
            code, message, fix = _NO_TIME
            found.append(error(code, where, message.format(names=", ".join(left)), fix, kind="reward"))
        elif not reason.startswith(("the function", "a smaller")):
            found.append(
                warning(
                    "REWARD_PROBES_NOT_RUN",
                    where,
                    f"Not tried, because {reason}: {', '.join(left)}.",
                    "Add reference answers to the rows to have them tried.",
                )
            )
    return found


def _forms(forms: dict[str, float], min_gold: float, where: str) -> list[Finding]:
    """Say which forms of a right answer are read, when some are and some are not.

    A reward that reads none with working before it fits only models that are trained not to reason.
    """
    read = [name for name, mean in forms.items() if mean >= min_gold]
    missed = [name for name in forms if name not in read]
    if not read or not missed:
        return []
    worked = {form.name for form in FORMS if form.worked}
    text = f"Right answers are read when written as: {', '.join(read)}; not as: {', '.join(missed)}."
    fix = "Have the prompt ask for a form that is read."
    if worked & {*missed} and not worked & {*read}:
        return [warning("REWARD_WORKING_NOT_READ", where, f"{text} No form with working is.", fix)]
    return [info("REWARD_FORMS", where, text, fix)]


def table(found: Sequence[Probe]) -> list[dict[str, Any]]:
    """The probes as the run's document carries them."""
    return [msgspec.to_builtins(probe) for probe in found[:MOST_PROBES]]


def examples(found: Sequence[Example]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(example) for example in found]


def lines(found: Sequence[Probe]) -> list[str]:
    """The probes that did not pass, one a line."""
    return [probe.line() for probe in found if probe.outcome not in ("pass", "not run")]
