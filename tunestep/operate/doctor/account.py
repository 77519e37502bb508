"""The account around the stack: what CDK put there, and how much of what it may use."""

import re
from collections.abc import Iterator

from tunestep.checks.calls import ask
from tunestep.operate.doctor.diagnosis import Diagnosis, broken, ok, skipped, unreadable, warning
from tunestep.operate.stack import Stack

BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
BOOTSTRAP_VERSION = 6
"""The least that the template's own rule takes (CheckBootstrapVersion)."""

BUSY = 20
"""Functions that a run and the stack's own clocks may have at work at a time; an estimate of ours."""

_SERVERLESS = re.compile(r"serverless|customiz|fine.?tun", re.IGNORECASE)
_INFERENCE = re.compile(r"inference|endpoint|hyperpod", re.IGNORECASE)
_MOST_PAGES = 60


def bootstrap(stack: Stack) -> Iterator[Diagnosis]:
    """The version that `cdk bootstrap` wrote into a parameter of the account and region."""
    if stack.laptop:
        yield skipped(BOOTSTRAP, "a laptop needs no bootstrap.")
        return
    answer = ask(stack.clients.other("ssm").get_parameter, Name=BOOTSTRAP)
    fix = f"tunestep deploy --bootstrap --region {stack.region}, with credentials of {stack.account}"
    if answer.problem == "absent" or "ParameterNotFound" in answer.message:
        yield broken(BOOTSTRAP, "the account is not bootstrapped for CDK in this region.", fix)
        return
    if answer.problem:
        yield unreadable(BOOTSTRAP, answer, "ssm:GetParameter")
        return
    text = str(answer.data["Parameter"]["Value"])
    if not text.isdecimal() or int(text) < BOOTSTRAP_VERSION:
        yield broken(BOOTSTRAP, f"bootstrap version {text} is older than {BOOTSTRAP_VERSION}.", fix)
        return
    yield ok(BOOTSTRAP, f"bootstrap version {text}.")


def quotas(stack: Stack) -> Iterator[Diagnosis]:
    """Concurrency of Lambda, and what Service Quotas says of serverless jobs."""
    if stack.laptop:
        yield skipped("quotas", "a laptop has no quotas.")
        return
    yield from _concurrency(stack)
    yield from _jobs(stack)


def _concurrency(stack: Stack) -> Iterator[Diagnosis]:
    where = "Lambda concurrency"
    answer = ask(stack.clients.other("lambda").get_account_settings)
    if answer.problem:
        yield unreadable(where, answer, "lambda:GetAccountSettings")
        return
    limits = answer.data.get("AccountLimit", {})
    free = int(limits.get("UnreservedConcurrentExecutions", 0))
    total = int(limits.get("ConcurrentExecutions", 0))
    text = f"{free} of {total} executions at a time are not reserved"
    if free < BUSY:
        yield warning(
            where,
            f"{text}; a stack with some runs needs about {BUSY}.",
            'Ask for more in Service Quotas ("Concurrent executions"), or lower rewards.concurrency.',
        )
        return
    yield ok(where, f"{text}.")


def _jobs(stack: Stack) -> Iterator[Diagnosis]:
    where = "SageMaker quotas"
    found: list[tuple[str, float]] = []
    token: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        answer = ask(
            stack.clients.other("service-quotas").list_service_quotas,
            ServiceCode="sagemaker",
            MaxResults=100,
            **token,
        )
        if answer.problem:
            yield unreadable(where, answer, "servicequotas:ListServiceQuotas")
            return
        for quota in answer.data.get("Quotas", []):
            name = str(quota.get("QuotaName", ""))
            if _SERVERLESS.search(name) and not _INFERENCE.search(name):
                found.append((name, float(quota.get("Value", 0))))
        if not answer.data.get("NextToken"):
            break
        token = {"NextToken": answer.data["NextToken"]}
    if not found:
        yield Diagnosis(
            state="unknown",
            where=where,
            message="Service Quotas names none for serverless customization, so that the first job tells.",
        )
    for name, value in sorted(found):
        if value < 1:
            yield warning(
                name, "the quota is 0, so jobs of that kind wait.", "Ask for more in Service Quotas."
            )
        else:
            yield ok(name, f"{value:g}.")
