"""What holds however a schedule went."""

import json
from collections import Counter
from typing import Any

from tests.faults.simulation import Simulation
from tunestep import budgets, names
from tunestep.claims import CLAIM
from tunestep.local.sagemaker.job_state import Job
from tunestep.runs import APPROVAL, ENDED, RUN, run_pk

ENDS = frozenset(
    {
        *("PrerequisitesNotMet", "BudgetExceeded", "RewardNotCertified", "ApprovalDeclined"),
        *("ApprovalExpired", "PlanChanged", "TrainingJobFailed", "TrainingJobStopped", "StoppedByUser"),
        *("DuplicateRun", "ServiceFault"),
    }
)
"""The names of design section 6."""

ORPHAN_SECONDS = 1800
"""How long a job may outlive its execution while faults are about."""


class Watch:
    """Looks on after every invocation; ``problems`` is what must never be seen on the way."""

    def __init__(self, sim: Simulation) -> None:
        self.sim, self.problems = sim, list[str]()
        self._decided: dict[str, tuple[Any, Any]] = {}
        sim.watchers.append(self.look)

    def look(self) -> None:
        flying = [job.name for job in self.sim.jobs.jobs() if not job.terminal]
        if len(flying) > 1:
            self._once(f"{len(flying)} jobs train the same content at once: {flying}")
        for item in self.sim.ground.items(self.sim.context.env.table, sk=APPROVAL):
            if item["state"] != "PENDING":
                decision = (item["state"], item.get("actor"))
                first = self._decided.setdefault(item["pk"], decision)
                if first != decision:
                    self._once(f"{item['pk']} was {first}, became {decision}")

    def _once(self, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)


def items(sim: Simulation) -> list[dict[str, Any]]:
    """Every item of the runs table."""
    return sim.ground.items(sim.context.env.table)


def executions(sim: Simulation) -> list[dict[str, Any]]:
    machine = sim.context.env.machine_arn
    listed = sim.stepfunctions.dispatch("ListExecutions", {"stateMachineArn": machine})["executions"]
    return [
        sim.stepfunctions.dispatch("DescribeExecution", {"executionArn": entry["executionArn"]})
        for entry in listed
    ]


def problems(sim: Simulation) -> list[str]:
    """Everything that is wrong once nothing happens any more."""
    table = {(item["pk"], item["sk"]): item for item in items(sim)}
    jobs, ran = {job.name: job for job in sim.jobs.jobs()}, executions(sim)
    found = [
        *_waits(table, jobs),
        *_jobs(sim, ran, table, jobs),
        *_budget(table, jobs),
        *_letters(sim),
    ]
    for execution in ran:
        found += _end(execution, table, jobs)
    return found


def _waits(table: dict[Any, dict[str, Any]], jobs: dict[str, Job]) -> list[str]:
    found = [f"{name} is still {job.status}" for name, job in jobs.items() if not job.terminal]
    for (pk, sk), item in table.items():
        if sk.startswith("PENDING#"):
            found.append(f"{pk} / {sk} is still there")
        if sk == RUN and item.get("status") != ENDED:
            found.append(f"{pk} is still {item.get('status')}")
        if sk == CLAIM and table.get((run_pk(item["run_id"]), RUN), {}).get("outcome") != "SUCCEEDED":
            found.append(f"{pk} is still claimed by {item['run_id']}, which did not succeed")
    return found


def _jobs(
    sim: Simulation, ran: list[dict[str, Any]], table: dict[Any, dict[str, Any]], jobs: dict[str, Job]
) -> list[str]:
    found = []
    owners = {name: _tag(job, names.TAG_RUN) for name, job in jobs.items()}
    found += [f"run {run} made {n} jobs" for run, n in Counter(owners.values()).items() if n > 1]
    ended = {entry["name"]: entry["stopDate"] for entry in ran if "stopDate" in entry}
    for name, job in jobs.items():
        run = owners[name]
        if run not in ended:
            found.append(f"{name} belongs to {run}, which has no ended execution")
        elif job.ended and job.ended - ended[run] > ORPHAN_SECONDS:
            found.append(f"{name} went on {job.ended - ended[run]:.0f} s after its execution")
        if sim.schedule.gated and table.get((run_pk(run), APPROVAL), {}).get("state") != "APPROVED":
            found.append(f"{name} accepted a licence without a decision")
    return found


def _budget(table: dict[Any, dict[str, Any]], jobs: dict[str, Job]) -> list[str]:
    """Nothing is held any more, and what is counted is what the jobs that began were billed."""
    items = [item for (_, sk), item in table.items() if sk == budgets.POTS]
    found = [
        f"{item['pk']} is still held by {name.removeprefix('run:')}"
        for item in items
        for name in item
        if name.startswith("run:")
    ]
    counted = sum(int(item.get("stack/tokens", 0)) for item in items)
    billed = sum(job.billable_tokens or 0 for job in jobs.values() if job.status == "Completed")
    if counted < billed:
        found.append(f"the budget counts {counted} tokens, billed were {billed}")
    return found


def _letters(sim: Simulation) -> list[str]:
    """Dead letters are read by whoever looks after the stack, who is not to decide or to end a wait."""
    return [
        f"a dead letter would hold a {what}: {letter[:200]}"
        for letter in sim.letters
        for secret, what in sim.secrets.items()
        if secret in letter
    ]


def _tag(job: Job, key: str) -> str:
    return next((tag["Value"] for tag in job.request["Tags"] if tag["Key"] == key), "nobody")


def _end(execution: dict[str, Any], table: dict[Any, dict[str, Any]], jobs: dict[str, Job]) -> list[str]:
    name, status = execution["name"], execution["status"]
    run = table.get((run_pk(name), RUN))
    if status == "RUNNING":
        return [f"{name} still runs"]
    if run is None:
        return [f"{name} has no item"]
    if status == "SUCCEEDED":
        return _green(name, json.loads(execution["output"]), run, jobs)
    found = []
    if run.get("outcome") == "SUCCEEDED":
        found.append(f"{name} is {status} and its item says SUCCEEDED")
    if run.get("error") not in ENDS:
        found.append(f"{name} ended with {run.get('error')!r}, which nobody can look up")
    approval = table.get((run_pk(name), APPROVAL), {})
    expired = run.get("error") == "ApprovalExpired"
    if expired and approval.get("state") == "APPROVED" and not approval.get("undelivered"):
        found.append(f"{name} expired, and is approved as if that had reached it")
    return found


def _green(name: str, document: dict[str, Any], run: dict[str, Any], jobs: dict[str, Job]) -> list[str]:
    found = []
    if "error" in document:
        found.append(f"{name} is green after {document['error']}")
    if run.get("outcome") != "SUCCEEDED":
        found.append(f"{name} is green and its item says {run.get('outcome')}")
    training = document.get("training", {})
    job = jobs.get(training.get("job_name", ""))
    if job is None or (job.status, job.secondary) != (training["status"], training["secondary_status"]):
        found.append(f"{name} says {training}, SageMaker says {job and (job.status, job.secondary)}")
    elif document["results"]["model_package_arn"] != job.package_arn:
        found.append(f"{name} hands out {document['results']['model_package_arn']}, not {job.package_arn}")
    return found
