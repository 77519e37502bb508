"""Whether every permission that the stack grants was used by some test: ``python -m ... USAGE_FILE``.

The file is what tests/local/laptop.py gathers from the clouds of a test session, which enforce the policies,
and tests/faults from its schedules, which come along the paths that only faults lead to. Permissions that
nothing can use there are exempt, each with its reason; an exemption of something that was used is an error
too, so that none outlives its reason.
"""

import fcntl
import fnmatch
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.infra.support import FULL_SETTINGS, FULL_STACK, function_role, run_app, statements
from tunestep import names
from tunestep.local.access import usage

GATHERED_IN = "TUNESTEP_PERMISSIONS_USED"
"""The variable that names the file where the permissions used by all tests of a session are gathered."""

TRAINING = "training"
"""Stands for the role of training jobs among the verbs."""


class Permission(NamedTuple):
    """``who`` is a function's verb, or TRAINING."""

    who: str
    action: str


class Exemption(NamedTuple):
    """Permissions by patterns of both parts, and why no test on a laptop can use them.

    ``by_chance`` is for what a race may lead to all the same: it has to be granted, used or not.
    """

    who: str
    action: str
    reason: str
    by_chance: bool = False


_LAMBDA = "Lambda itself does it on behalf of the function"
_TRAINER = "the trainer that runs in SageMaker does it, which the laptop's stands in for"
_LIKE_CLEAN_UP = "reads metrics as clean_up does, by the same function; whole runs try that under its role"
EXEMPT = (
    Exemption("*", "logs:CreateLogStream", _LAMBDA),
    Exemption("*", "logs:PutLogEvents", _LAMBDA),
    Exemption("*", "xray:*", _LAMBDA),
    Exemption("*", "sqs:*", _LAMBDA),
    Exemption("*", "kms:*", "the laptop's services encrypt nothing"),
    Exemption("*", "ec2:*", "interfaces are made by Lambda and SageMaker, and the laptop has no VPC"),
    *(
        Exemption(verb, action, _LIKE_CLEAN_UP, by_chance=True)
        for verb in ("stop", "reconcile")
        for action in ("sagemaker-mlflow:*", "sagemaker:CallMlflowAppApi")
    ),
    Exemption(TRAINING, "ecr:*", "the image is pulled by SageMaker, and the laptop has none"),
    Exemption(TRAINING, "cloudwatch:PutMetricData", _TRAINER),
    Exemption(TRAINING, "logs:*", _TRAINER),
    Exemption(TRAINING, "sagemaker:*", _TRAINER),
    Exemption(TRAINING, "s3:*Multipart*", _TRAINER),
    Exemption(TRAINING, "s3:GetBucket*", _TRAINER),
    Exemption(TRAINING, "s3:GetObjectVersion", _TRAINER),
    Exemption(TRAINING, "sagemaker-mlflow:*", _TRAINER),
)


def gather(lines: str) -> None:
    """Add lines of a usage log to the session's file, where there is one; other processes do so too."""
    kept = os.environ.get(GATHERED_IN)
    if kept:
        with Path(kept).open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(lines)


def granted(template: Mapping[str, Any]) -> set[Permission]:
    """What the roles of functions and of training jobs may do, by the synthesized template."""
    roles = {verb: function_role(verb) for verb in names.FUNCTIONS} | {TRAINING: "TrainingRole"}
    return {
        Permission(who, action)
        for who, role in roles.items()
        for statement in statements(template, role)
        for action in statement["Action"]
    }


def used(uses: Iterable[usage.Use]) -> set[Permission]:
    """What roles were allowed; those of other stacks, functions or tests do not count."""
    roles = {f"-{function_role(verb)}": verb for verb in names.FUNCTIONS}
    roles["-sagemaker-execution-"] = TRAINING
    return {
        Permission(who, use.action)
        for use in uses
        if use.outcome == "allowed"
        for part, who in roles.items()
        if part in use.role
    }


def faults(may: set[Permission], did: set[Permission], exempt: Iterable[Exemption] = EXEMPT) -> list[str]:
    """One line for each permission that nobody used, and for each exemption that is none."""
    listed = tuple(exempt)
    unused = [
        f"{who} may {action}, and no test used it"
        for who, action in sorted(may - did)
        if not any(_covers(exemption, Permission(who, action)) for exemption in listed)
    ]
    idle = [
        f"the exemption of {exemption.who} {exemption.action} covers nothing that is unused"
        for exemption in listed
        if not any(_covers(exemption, one) for one in (may if exemption.by_chance else may - did))
    ]
    return unused + idle


def _covers(exemption: Exemption, permission: Permission) -> bool:
    return fnmatch.fnmatchcase(permission.who, exemption.who) and fnmatch.fnmatchcase(
        permission.action, exemption.action
    )


def main(arguments: list[str]) -> int:
    """Exit code 1 when something is unused, 2 when there is nothing to judge by."""
    uses = usage.read(Path(arguments[0])) if arguments else []
    if not uses:
        print("permissions: no usage was gathered; run the tests of tests/local before", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        done = run_app(Path(folder), TUNESTEP_SETTINGS_FILE=str(FULL_SETTINGS))
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 2
        template = json.loads((Path(folder) / "cdk.out" / f"{FULL_STACK}.template.json").read_text())
    may, did = granted(template), used(uses)
    found = faults(may, did)
    print("\n".join([*found, f"permissions: {len(may)} granted, {len(may & did)} used, {len(found)} faults"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
