"""Histories are read within bounds: what cannot be read is said, and nothing that was read is lost."""

import math
import sys
import time
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.run_world import make_plan
from tunestep import metric_reading, metric_series
from tunestep.metric_reading import Histories
from tunestep.metrics import MetricsUnavailable, Point
from tunestep.plan_model import DataPlan, Plan, Technique

JOB = {"MlflowDetails": {"MlflowRunId": "r1"}}


class Server:
    """An MLflow with these series; those that are exceptions cannot be read."""

    def __init__(self, series: dict[str, Any]) -> None:
        self.series = series

    def run(self, _run_id: str) -> dict[str, Any]:
        return {"data": {"metrics": [{"key": key} for key in self.series]}}

    def history(self, _run_id: str, metric: str) -> list[Point]:
        found = self.series[metric]
        if isinstance(found, Exception):
            raise found
        return [Point(step, value, step) for step, value in enumerate(found, 1)]


def read(server: Any, plan: Plan | None = None, job: dict[str, Any] | None = None) -> Histories:
    return metric_reading.read(None, plan or make_plan(), job or JOB, lambda *_: server)  # type: ignore[arg-type]


def test_a_metric_that_cannot_be_read_leaves_the_others_as_they_are() -> None:
    found = read(Server({"total_loss": [2.0, 1.0], "a/b": MetricsUnavailable("MLflow answers 500")}))
    assert list(found.series) == ["total_loss"]
    assert found.gaps == ["no values of a/b: MLflow answers 500"]


@pytest.mark.parametrize(
    "answer", [{}, {"data": None}, {"data": {"metrics": [{"name": "m"}]}}, {"data": {"metrics": 7}}]
)
def test_a_run_of_another_shape_is_a_gap(answer: Any) -> None:
    server = Server({})
    server.run = lambda _run_id: answer  # type: ignore[method-assign]
    found = read(server)
    assert found.series == {}
    assert found.gaps


def test_a_name_that_is_no_text_is_left_out_and_said() -> None:
    found = read(Server({"total_loss": [1.0], "half\ud800": [1.0]}))
    assert list(found.series) == ["total_loss"]
    assert found.gaps == ["1 metrics were not read: their names are no text"]
    msgspec.json.encode(found.gaps)


def test_a_hundred_thousand_points_are_read_whole_and_quickly() -> None:
    values = [1 / step for step in range(1, 100_001)]
    began = time.perf_counter()
    found = read(Server({"total_loss": values}))
    assert len(found.series["total_loss"]) == 100_000
    assert metric_series.per_epoch(found.series, 50_000, 2)[1]["total_loss"] < 2e-5
    assert time.perf_counter() - began < 5


def test_more_points_than_fit_are_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_reading, "MOST_POINTS", 5)
    found = read(Server({"total_loss": [1.0] * 3, "a": [1.0] * 4, "b": [1.0]}))
    assert {name: len(points) for name, points in found.series.items()} == {"total_loss": 3, "a": 2}
    assert found.gaps == [
        "a is cut to its first 2 of 4 values",
        "1 more metrics were not read: 5 points are the most",
    ]


def test_more_metrics_than_are_read_are_counted() -> None:
    found = read(Server({"total_loss": [1.0]} | {f"m{index}": [1.0] for index in range(50)}))
    assert len(found.series) == metric_series.MOST_METRICS
    assert found.gaps == ["11 more metrics were not read"]


@pytest.mark.parametrize(
    ("technique", "primary"),
    [
        ("SFT", ["total_loss", "val_eval_total_loss"]),
        ("DPO", ["rewards/margins"]),
        ("RLVR", ["critic/rewards/mean", "val/exact_match", "response_length/mean"]),
        ("RLAIF", ["critic/rewards/mean", "val/exact_match", "response_length/mean"]),
    ],
)
def test_each_technique_has_its_own_metrics_first(technique: Technique, primary: list[str]) -> None:
    server = Server({"zzz": [1.0], "aaa": [1.0]} | {name: [1.0] for name in reversed(primary)})
    found = read(server, make_plan(technique=technique))
    assert list(found.series) == [*primary, "aaa", "zzz"]
    assert found.gaps == []
    lacking = read(Server({"zzz": [1.0]}), make_plan(technique=technique))
    assert lacking.gaps == [f"MLflow has no {primary[0]}"]


def test_a_validated_sft_run_without_its_validation_loss_says_so() -> None:
    plan = make_plan(validation_data=DataPlan(uri="s3://data/val.jsonl", kind="object"))
    assert read(Server({"total_loss": [1.0]}), plan).gaps == ["MLflow has no val_eval_total_loss"]


def test_values_that_are_not_finite_are_counted_and_left_out_of_averages() -> None:
    series = {
        "total_loss": [Point(1, 4.0, 0), Point(2, math.nan, 0), Point(3, math.inf, 0), Point(4, 1.0, 0)]
    }
    assert metric_series.overview(series)["total_loss"] == {
        "first": 4.0,
        "last": 1.0,
        "points": 4,
        "not_finite": 2,
        "not_finite_step": 2,
    }
    assert metric_series.per_epoch(series, 2, 2) == [
        {"epoch": 1, "total_loss": 4.0},
        {"epoch": 2, "total_loss": 1.0},
    ]
    assert "2 values" in metric_series.not_finite(series)[0]
    assert metric_series.overview({"m": [Point(1, math.nan, 0)]})["m"]["last"] is None


@given(st.lists(st.tuples(st.integers(-5, 10**9), st.floats()), min_size=1, max_size=30), st.integers(1, 9))
@example([(0, sys.float_info.max)] * 3, 1)
def test_whatever_the_values_are_the_tables_are_json(points: list[tuple[int, float]], per_epoch: int) -> None:
    series = {"m": [Point(step, value, 0) for step, value in points]}
    told = [metric_series.overview(series), metric_series.per_epoch(series, per_epoch, 3)]
    assert msgspec.json.decode(msgspec.json.encode(told)) == told
    numbers = [metric_series.number(value) for _, value in points]
    assert [str(float(number)) for number in numbers] == [str(value) for _, value in points]
