"""All checks, in the order in which they are shown."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from tunestep.errors import ServiceFault, TransientFault
from tunestep.operate.doctor import account, machinery, models, people, roles
from tunestep.operate.doctor.diagnosis import Diagnosis
from tunestep.operate.stack import Stack


class Check(NamedTuple):
    """``name`` is one word for programs and the manual, ``title`` is for people."""

    name: str
    title: str
    look: Callable[[Stack], Iterator[Diagnosis]]


CHECKS: tuple[Check, ...] = (
    Check("bootstrap", "CDK's bootstrap", account.bootstrap),
    Check("functions", "functions", machinery.functions),
    Check("machine", "state machine", machinery.machine),
    Check("rules", "event rules", machinery.rules),
    Check("storage", "tables and bucket", machinery.storage),
    Check("execution-roles", "roles of training jobs", roles.execution_roles),
    Check("function-roles", "roles of functions", roles.function_roles),
    Check("hub", "hub of base models", models.hub_access),
    Check("registry", "registry of rewards", models.registry),
    Check("mlflow", "MLflow apps", models.mlflow),
    Check("approvers", "who decides", people.deciders),
    Check("subscriptions", "addresses", people.subscriptions),
    Check("slack", "Slack", people.slack),
    Check("dead-letters", "dead letters", machinery.dead_letters),
    Check("alarms", "alarms", machinery.alarms),
    Check("quotas", "quotas", account.quotas),
)


def examine(stack: Stack, checks: tuple[Check, ...] = CHECKS) -> Iterator[Diagnosis]:
    """What every check finds, as it is found. A check that fails is a diagnosis and keeps no other back."""
    for check in checks:
        try:
            for diagnosis in check.look(stack):
                yield msgspec.structs.replace(diagnosis, check=check.name)
        except (TransientFault, ServiceFault, ClientError, BotoCoreError) as fault:
            yield Diagnosis(
                check=check.name,
                state="unknown",
                where=check.title,
                message=f"it could not be looked at: {fault}",
                fix="Try again; if it stays, check credentials, region and network.",
            )
