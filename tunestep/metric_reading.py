"""Reads a run's metric histories within bounds; whatever cannot be read becomes a sentence that says so."""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tunestep import metric_series
from tunestep.context import Context
from tunestep.metrics import BUDGET_SECONDS, MetricsUnavailable, MlflowReader, Point
from tunestep.plan_model import Plan
from tunestep.text import encodable

MOST_POINTS = 500_000
"""Most points of all metrics together: they are held in a function's memory."""

ReaderFactory = Callable[[Context, str, float], MlflowReader]


class Histories(NamedTuple):
    """``series`` by metric, in the order of importance; ``gaps`` and ``notes`` are sentences."""

    series: dict[str, list[Point]]
    gaps: list[str]
    notes: list[str]


def mlflow_reader(context: Context, app_arn: str, budget_seconds: float = BUDGET_SECONDS) -> MlflowReader:
    """A reader for one MLflow app, signing as this function. Only the laptop may name another host."""
    credentials = context.clients.session.get_credentials()
    if credentials is None:
        raise MetricsUnavailable("there are no credentials to sign with")
    return MlflowReader(
        app_arn,
        region=context.env.region,
        account=context.env.account,
        partition=context.partition,
        credentials=credentials.get_frozen_credentials(),
        endpoint=os.environ.get("SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT", "") if context.env.laptop else "",
        budget_seconds=budget_seconds,
    )


def read(
    context: Context,
    plan: Plan,
    job: Mapping[str, Any],
    reader: ReaderFactory = mlflow_reader,
    *,
    budget_seconds: float = BUDGET_SECONDS,
) -> Histories:
    """The histories of the job's MLflow run; ``job`` is DescribeTrainingJob's answer. Raises nothing of
    what MLflow may do: missing metrics are a gap."""
    run_id = job.get("MlflowDetails", {}).get("MlflowRunId")
    if plan.mlflow is None:
        return Histories({}, ["no metrics: the run has no MLflow app"], [])
    if not run_id:
        return Histories({}, ["no metrics: the job names no MLflow run"], [])
    try:
        mlflow = reader(context, plan.mlflow.app_arn, budget_seconds)
        known = mlflow.run(run_id).get("data", {}).get("metrics", [])
        named = [str(entry["key"]) for entry in known]
    except (MetricsUnavailable, AttributeError, KeyError, TypeError, ValueError) as fault:
        return Histories({}, [f"no metrics: {fault}"[:400]], [])
    available = [name for name in named if encodable(name) == name]
    series, gaps = _histories(mlflow, run_id, metric_series.chosen(plan.technique, available))
    if len(available) < len(named):
        gaps.append(f"{len(named) - len(available)} metrics were not read: their names are no text")
    if left_out := len(set(available)) - metric_series.MOST_METRICS:
        gaps += [f"{left_out} more metrics were not read"] if left_out > 0 else []
    lacking = metric_series.missing(plan.technique, available, validated=plan.validation_data is not None)
    if lacking:
        gaps.append(f"MLflow has no {' and no '.join(lacking)}")
    return Histories(series, gaps, metric_series.not_finite(series))


def _histories(
    mlflow: MlflowReader, run_id: str, names: list[str]
) -> tuple[dict[str, list[Point]], list[str]]:
    """What can be read of each metric: one that cannot leaves the others as they are."""
    series: dict[str, list[Point]] = {}
    gaps: list[str] = []
    room = MOST_POINTS
    for position, name in enumerate(names):
        if room <= 0:
            gaps.append(
                f"{len(names) - position} more metrics were not read: {MOST_POINTS:,} points are the most"
            )
            break
        try:
            points = mlflow.history(run_id, name)
        except MetricsUnavailable as fault:
            gaps.append(f"no values of {name}: {fault}"[:400])
            continue
        if len(points) > room:
            gaps.append(f"{name} is cut to its first {room:,} of {len(points):,} values")
        if points:
            series[name] = points[:room]
        room -= len(points)
    return series, gaps
