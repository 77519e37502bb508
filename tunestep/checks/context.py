"""What every check gets: the request, where it will run, the clients, and a place for findings."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tunestep import findings
from tunestep.evidence import Found
from tunestep.findings import Finding, Kind
from tunestep.plan_model import LicencePlan, ModelPlan
from tunestep.request import Request
from tunestep.settings import Settings


def _nobody(model: ModelPlan, licence: LicencePlan) -> Found:
    return Found()


def _nothing() -> tuple[str, Mapping[str, Any]]:
    return "this month", {}


@dataclass(frozen=True, kw_only=True)
class PlanContext:
    """Where a plan is made for.

    ``open`` means that requests may name anything (a laptop without a settings file). ``run_id`` is
    None when nothing will run. ``uploads`` are S3 URIs that the caller writes before the run starts
    and that are therefore not looked up. ``rewards`` are the names of the rewards the stack deploys.
    ``accepted`` finds the stored acceptance of a licence for a model, ``unconfirmed`` the ids of approvers
    whose e-mail address was never confirmed. ``spent`` reads what was drawn from the budgets of the month
    (YYYY-MM): the month, and its item in the runs table.
    """

    region: str
    account: str
    bucket: str
    stack: str
    execution_role_arn: str
    settings: Settings
    partition: str = "aws"
    open: bool = False
    run_id: str | None = None
    uploads: frozenset[str] = frozenset()
    laptop: bool = False
    accepted: Callable[[ModelPlan, LicencePlan], Found] = _nobody
    rewards: tuple[str, ...] = ()
    unconfirmed: Callable[[], Collection[str]] = tuple
    spent: Callable[[], tuple[str, Mapping[str, Any]]] = _nothing


@dataclass(frozen=True, kw_only=True)
class Inquiry:
    """One planning: checks read from it and add findings to it.

    ``clients`` has boto3 clients as attributes (``s3``, ``sagemaker``, ``iam``), see tunestep.aws.
    """

    request: Request
    ctx: PlanContext
    clients: Any
    findings: list[Finding] = field(default_factory=list)

    def error(self, code: str, where: str, message: str, fix: str = "", kind: Kind = "prerequisite") -> None:
        self.findings.append(findings.error(code, where, message, fix, kind))

    def warning(self, code: str, where: str, message: str, fix: str = "") -> None:
        self.findings.append(findings.warning(code, where, message, fix))

    def info(self, code: str, where: str, message: str, fix: str = "") -> None:
        self.findings.append(findings.info(code, where, message, fix))

    def allows(self, refused: Finding | None) -> bool:
        """Add the refusal, if there is one; true when there is none."""
        if refused is not None:
            self.findings.append(refused)
        return refused is None
