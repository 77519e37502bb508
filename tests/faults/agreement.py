"""What runs say of their jobs, and that it is so; and what may be asked of a run that nothing befell."""

import json
from typing import Any

from tests.faults.invariants import executions, items
from tests.faults.simulation import Simulation
from tunestep.claims import CLAIM
from tunestep.local.sagemaker.job_state import Job
from tunestep.run_files import RECORD

PROMPT_SECONDS = 60
"""How long a job may outlive its execution when nothing goes wrong; the simulator's take 20 to stop."""

SAID = {"TrainingJobFailed": "Failed", "TrainingJobStopped": "Stopped"}
"""What SageMaker says of the job of a run that ends with these errors."""


def disagreements(sim: Simulation) -> list[str]:
    """Everything that is wrong once nothing happens any more, one line each."""
    jobs = {job.name: job for job in sim.jobs.jobs()}
    ran = executions(sim)
    found = [*_once(sim, ran, jobs), *_promptly(sim, ran, jobs)]
    for execution in ran:
        found += _document(sim, execution, jobs)
        found += _record(sim, execution["name"], jobs)
    return found


def _once(sim: Simulation, ran: list[dict[str, Any]], jobs: dict[str, Job]) -> list[str]:
    """A schedule asks for one content, time and again: what has been done stays claimed and is done once."""
    green = [execution for execution in ran if execution["status"] == "SUCCEEDED"]
    found = [f"{len(green)} runs of one content succeeded"] if len(green) > 1 else []
    holders = [item["run_id"] for item in items(sim) if item["sk"] == CLAIM]
    for execution in green:
        if execution["name"] not in holders:
            found.append(
                f"{execution['name']} succeeded, and its content is claimed by {holders or 'nobody'}"
            )
        late = [job.name for job in jobs.values() if job.created > execution["stopDate"]]
        if late:
            found.append(f"{late} began after {execution['name']} had done the same")
    return found


def _promptly(sim: Simulation, ran: list[dict[str, Any]], jobs: dict[str, Job]) -> list[str]:
    schedule = sim.schedule
    if schedule.faults or schedule.upsets or schedule.events:
        return []
    last = max(execution["stopDate"] for execution in ran)
    return [
        f"{job.name} went on {job.ended - last:.0f} s, and nothing had gone wrong"
        for job in jobs.values()
        if job.ended and job.ended - last > PROMPT_SECONDS
    ]


def _document(sim: Simulation, execution: dict[str, Any], jobs: dict[str, Job]) -> list[str]:
    """``training`` in the last document that a state passed on, and the error that the run ended with."""
    found = []
    training = _last_training(sim, execution["executionArn"])
    job = jobs.get(training.get("job_name", ""))
    if training.get("status") not in (None, "InProgress", "Stopping") and (
        job is None or (training["status"], training["secondary_status"]) != (job.status, job.secondary)
    ):
        found.append(
            f"{execution['name']} says {training}, SageMaker says {job and (job.status, job.secondary)}"
        )
    if execution["status"] == "SUCCEEDED" and (job is None or job.status != "Completed"):
        found.append(f"{execution['name']} is green, and its job {job and job.status}")
    wanted = SAID.get(execution.get("error", ""))
    if wanted and (job is None or job.status != wanted):
        found.append(f"{execution['name']} ends with {execution['error']}, and its job {job and job.status}")
    return found


def _last_training(sim: Simulation, arn: str) -> dict[str, Any]:
    history = sim.stepfunctions.dispatch(
        "GetExecutionHistory", {"executionArn": arn, "maxResults": 1000, "reverseOrder": True}
    )
    for event in history["events"]:
        if "stateExitedEventDetails" in event:
            document = json.loads(event["stateExitedEventDetails"]["output"])
            if "training" in document:
                found: dict[str, Any] = document["training"]
                return found
    return {}


def _record(sim: Simulation, run_id: str, jobs: dict[str, Job]) -> list[str]:
    """The job as the run's record has it at last."""
    stored = sim.context.files.get(run_id, RECORD)
    said = (json.loads(stored[0]).get("job") or {}) if stored else {}
    job = jobs.get(said.get("name", ""))
    if job is None or said["status"] == job.status:
        return []
    return [f"the record of {run_id} says {said['status']}, SageMaker says {job.status}"]
