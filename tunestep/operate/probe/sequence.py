"""The numbered checks, cheapest first, and how they are gone through."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from tunestep.errors import TunestepError
from tunestep.operate.probe import looking, making, training
from tunestep.operate.probe.recorder import Recorder
from tunestep.operate.probe.trial import Outcome, Trial, Verdict, not_tried, refuted
from tunestep.operate.redact import LeakFound


class Check(NamedTuple):
    """``claim`` is the line of docs/limits.md with this number, word for word."""

    number: int
    name: str
    claim: str
    look: Callable[[Trial], Outcome]
    costs: bool = False


class Result(msgspec.Struct, frozen=True):
    number: int
    name: str
    claim: str
    verdict: Verdict
    evidence: str
    file: str = ""


_CLAIMS: tuple[tuple[str, str, Callable[[Trial], Outcome], bool], ...] = (
    (
        "hub",
        "The public hub answers with a document of the shape that plans are made from.",
        looking.hub_document,
        False,
    ),
    (
        "recipe",
        "The override spec of a recipe can be read from the service's bucket and has typed options.",
        looking.recipe_spec,
        False,
    ),
    (
        "policies",
        "IAM evaluates the policies of the functions as they are written, conditions included.",
        looking.policies,
        False,
    ),
    ("mlflow", "An MLflow app takes a request signed as ours are.", looking.mlflow_signed, False),
    (
        "once",
        "The bucket refuses a second write with If-None-Match, on which evidence rests.",
        making.written_once,
        False,
    ),
    ("reward", "The deployed reward functions answer in both contracts.", making.reward_answers, False),
    (
        "plan",
        "The deployed function plans a request, and no look-up is refused to its role.",
        making.plan,
        False,
    ),
    ("group", "A model package group is there as soon as it was made.", making.group, False),
    (
        "evaluator",
        "A reward is imported into the registry hub, becomes Available, and keeps its document.",
        making.evaluator,
        False,
    ),
    (
        "accepted",
        "The service accepts a CreateTrainingJob request that equals the SDK's, under the stack's role.",
        training.accepted,
        True,
    ),
    (
        "completed",
        "A tiny job ends as Completed, says what it used, and names its model package.",
        training.completed,
        True,
    ),
    (
        "event",
        "SageMaker's state-change event arrives, with the members that the rules match on.",
        training.event_seen,
        True,
    ),
    ("package", "The model package names the base model that it was made from.", training.package, True),
    ("metrics", "The job's MLflow run has its loss by step.", training.metrics, True),
    (
        "rewarded",
        "The service calls the deployed reward as documented, and takes its answer for a reward.",
        training.rewarded,
        True,
    ),
)

CHECKS: tuple[Check, ...] = tuple(
    Check(number, name, claim, look, costs) for number, (name, claim, look, costs) in enumerate(_CLAIMS, 1)
)
RUNS_THAT_COST = 2


def go_through(
    trial: Trial, recorder: Recorder, *, paid: str, checks: tuple[Check, ...] = CHECKS
) -> Iterator[Result]:
    """Every check's result, with the file of its exchanges. ``paid`` says why nothing may cost, or ``""``."""
    for check in checks:
        trial.say(f"{check.number}. {check.claim}")
        outcome = not_tried(paid) if check.costs and paid else _tried(check, trial)
        about = {
            "check": check.number,
            "claim": check.claim,
            "verdict": outcome.verdict,
            "evidence": outcome.evidence,
        }
        try:
            file = str(recorder.write(f"{check.number:02}-{check.name}", about) or "")
        except LeakFound as fault:
            trial.say(f"the exchanges of check {check.number} are not kept: {fault}")
            file = ""
        yield Result(check.number, check.name, check.claim, *outcome, file)


def _tried(check: Check, trial: Trial) -> Outcome:
    """A refusal of AWS refutes the claim; a check that cannot be made says so."""
    try:
        return check.look(trial)
    except (ClientError, TunestepError) as fault:
        return refuted(f"{type(fault).__name__}: {fault}")
    except BotoCoreError as fault:
        return not_tried(f"AWS could not be asked: {fault}")
    except (KeyError, IndexError, TypeError, ValueError) as fault:
        return refuted(f"an answer has another shape than expected: {type(fault).__name__}: {fault}")
