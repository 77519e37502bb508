"""What every function of a run is given: the event it was called with, and the tools to act."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec

from tunestep.aws import Clients
from tunestep.environment import Environment
from tunestep.errors import PlanChanged, ServiceFault
from tunestep.evidence import Evidence
from tunestep.plan_model import Plan
from tunestep.request import Request, RequestInvalid, parse, request_hash
from tunestep.run_files import PLAN, RunFiles
from tunestep.runs import Item, Runs


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """The execution that called; its name is the run id."""

    arn: str
    name: str
    started_at: str = ""


class StepEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The event of a Task state: the whole document of the run, and who is calling."""

    document: dict[str, Any]
    execution: Execution
    state: str = ""
    task_token: str = ""

    @property
    def run_id(self) -> str:
        return self.execution.name

    def part(self, key: str) -> dict[str, Any]:
        """One key of the document; empty when it is missing or not an object."""
        value = self.document.get(key)
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Context:
    """Clients, environment and clock; tables and files are made from them at first use."""

    env: Environment
    clients: Clients
    now: Callable[[], datetime] = field(default=_utc_now)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self.clients.dynamodb, self.env.table)

    @cached_property
    def files(self) -> RunFiles:
        return RunFiles(self.clients.s3, self.env.bucket)

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(
            self.clients.dynamodb, self.clients.s3, table=self.env.evidence_table, bucket=self.env.bucket
        )

    @property
    def partition(self) -> str:
        return self.env.machine_arn.split(":")[1]

    def timestamp(self) -> str:
        return self.now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def epoch(self) -> int:
        return int(self.now().timestamp())

    def execution_arn(self, run_id: str) -> str:
        return self.env.machine_arn.replace(":stateMachine:", ":execution:", 1) + f":{run_id}"


def stored_plan(context: Context, run_id: str, run: Item) -> Plan:
    """The plan as validate stored it, proved against the hash that the table recorded.

    Raises PlanChanged when the file is not the one that was recorded, ServiceFault when there is none.
    """
    recorded = run.get("plan_sha256", "")
    found = context.files.get(run_id, PLAN) if recorded else None
    if found is None:
        raise ServiceFault(
            f"Run {run_id} has no stored plan at {context.files.uri(run_id, PLAN)}. "
            "Start it again with `tunestep retry`."
        )
    data, sha256 = found
    if sha256 != recorded:
        raise PlanChanged(
            f"{context.files.uri(run_id, PLAN)} is not the plan that was checked: its SHA-256 is "
            f"{sha256}, recorded was {recorded}. Find out who wrote it, then start again with "
            f"`tunestep retry {run_id}`."
        )
    return msgspec.json.decode(data, type=Plan)


def plan_of(context: Context, event: StepEvent) -> Plan:
    """The stored plan of the calling run; the document's own hash has to agree as well.

    The document is never the proof: it only may not contradict what is stored.
    """
    run = context.runs.run(event.run_id) or {}
    plan = stored_plan(context, event.run_id, run)
    claimed: Mapping[str, Any] = event.part("plan")
    if claimed.get("sha256") != run.get("plan_sha256"):
        raise PlanChanged(
            f"The document of run {event.run_id} names a plan with SHA-256 {claimed.get('sha256')!r}, "
            f"which is not the plan that was checked. Start again with `tunestep retry {event.run_id}`."
        )
    return plan


def request_of(event: StepEvent, plan: Plan) -> Request:
    """The request that was planned; raises PlanChanged when the document holds another."""
    try:
        request = parse(event.document.get("request"))
    except RequestInvalid as fault:
        raise PlanChanged("The document does not hold the request that was planned. Start again.") from fault
    if request_hash(request) != plan.request_hash:
        raise PlanChanged("The document does not hold the request that was planned. Start again.")
    return request
