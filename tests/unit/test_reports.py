"""The report says what the record says, asks for nothing, and runs nothing, whatever it is made of."""

import base64
import csv
import hashlib
import html
import io
import json
import math
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gate.hostile import HOSTILE as GATE_HOSTILE
from tests.support.records import HOSTILE, PACKAGE, as_json, hostile, record, series
from tests.support.run_world import make_plan
from tunestep.metrics import Point
from tunestep.plan_model import RewardPlan, Technique
from tunestep.record_model import MetricsFound, RunRecord
from tunestep.reports import chat, markdown, spreadsheet, wording
from tunestep.reports.charts import MOST_CHARTS, MOST_DRAWN, charts, smoothed, thinned, ticks
from tunestep.reports.page import page
from tunestep.run_files import canonical
from tunestep.text import encodable

VOID = {"meta", "link", "br", "img", "hr", "input"}
ALLOWED = set(
    re.findall(
        r"\w+",
        """html head meta title style body a header main section h1 h2 h3 p span div dl dt dd table caption
        thead tbody tr th td figure figcaption ul li pre code strong details summary script svg g path rect
        circle text""",
    )
)


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and text by element."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open = [""]
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1] == tag, f"</{tag}> closes <{self._open[-1]}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1], data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self) -> str:
        return " ".join(data for tag, data in self.texts if tag not in ("style", "script"))


def check_harmless(source: str) -> Page:
    """Only our elements, one script which is data, no attribute that acts or loads anything."""
    seen = Page(source)
    assert {tag for tag, _ in seen.elements} <= ALLOWED
    assert seen.all("script") == [{"type": "application/json", "id": "record"}]
    for _, attributes in seen.elements:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("src", "style", "srcset")
        ]
        link = attributes.get("href")
        assert link is None or link.startswith(("#", "https://"))
    style = "".join(data for tag, data in seen.texts if tag == "style")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [m["content"] or "" for m in seen.all("meta") if m.get("http-equiv")]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert "url(" not in style
    return seen


def test_the_report_begins_with_the_outcome_and_has_the_numbers_of_the_record() -> None:
    made = record()
    seen = check_harmless(page(made, series=series(total_loss=[5.5, 3.0, 1.4375])))
    text = seen.text()
    assert text.index("Succeeded") < text.index("Metrics") < text.index("How to reproduce")
    shown = (
        "3.75",
        "1.438",
        "5.5",
        "18",
        "190,000",
        "185,162",
        "0.18",
        "97%",
        "6 min 31 s",
        PACKAGE,
        "link holder",
    )
    assert [number for number in shown if number not in text] == []
    for pin in (made.request_hash, made.plan_sha256, "v1", "ef" * 32, "e1"):
        assert pin in text
    (data,) = [data for tag, data in seen.texts if tag == "script"]
    assert json.loads(data) == as_json(made)


def test_a_rehearsal_says_first_what_its_numbers_are_worth() -> None:
    made = record(rehearsal=True)
    text = check_harmless(page(made)).text()
    said = f"a tiny model stood in for {made.plan.model.name}"  # type: ignore[union-attr]
    assert said in text
    assert text.index(said) < text.index(made.run_id)
    assert said in markdown.summary(made)
    assert "rehearsal on a laptop" in json.dumps(chat.notice(made))
    for other in (record(), record(rehearsal=True, job=None)):
        assert "rehearsal on a laptop" not in check_harmless(page(other)).text()


def test_a_failed_report_says_why_what_helps_and_what_to_type() -> None:
    made = record(
        outcome="FAILED",
        error={"Error": "TrainingJobFailed", "Cause": "It broke."},
        hint="Use less.",
        model_package_arn="",
    )
    text = check_harmless(page(made, log_tail=["step 1", "step 2 exploded"])).text()
    for said in (
        "TrainingJobFailed",
        "It broke.",
        "Use less.",
        "step 2 exploded",
        f"tunestep retry {made.run_id}",
    ):
        assert said in text


@pytest.mark.parametrize(("rehearsal", "flag"), [(True, "--local"), (False, "--stack tunestep")])
@pytest.mark.parametrize("outcome", ["SUCCEEDED", "FAILED"])
def test_every_command_leads_to_the_stack_of_the_run(outcome: Any, rehearsal: bool, flag: str) -> None:
    made = record(outcome=outcome, rehearsal=rehearsal)
    said = check_harmless(page(made)).text() + markdown.summary(made) + json.dumps(chat.notice(made))
    commands = re.findall(r"tunestep (?:run|retry|results|report) [^`\"<]*", said)
    assert len(commands) > 2
    assert [command for command in commands if flag not in command] == []


def test_a_failed_run_says_why_before_anything_else_and_what_it_did_not_cost() -> None:
    made = record(outcome="FAILED", error={"Error": "PrerequisitesNotMet", "Cause": "No rows."}, job=None)
    text = check_harmless(page(made)).text()
    assert text.index("No rows.") < text.index(made.run_id) < text.index("Timeline")
    assert "No training job was started, so nothing was billed." in text
    assert "What was trained on" not in text
    assert "nothing was billed" not in check_harmless(page(record())).text()


def test_a_record_read_from_its_file_shows_the_techniques_own_metrics_first() -> None:
    names = [*(f"actor/{letter}" for letter in "abcdefghijkl"), "critic/rewards/mean", "val/exact_match"]
    made = record(
        plan=make_plan(technique="RLVR", reward=RewardPlan(kind="function", value="math_answer")),
        metrics=MetricsFound(
            overview={name: {"first": 0.25, "last": 0.5, "points": 2} for name in names},
            epochs=[{"epoch": epoch, **dict.fromkeys(names, epoch / 4)} for epoch in (1, 2)],
        ),
    )
    read = msgspec.json.decode(canonical(made), type=RunRecord)
    assert "| epoch | critic/rewards/mean | val/exact_match |" in markdown.summary(read)
    assert chat.metrics_table(read).splitlines()[1].startswith("critic/rewards/mean")
    assert wording.course(read) == (
        "first → last epoch",
        "critic/rewards/mean 0.25 → 0.5, val/exact_match 0.25 → 0.5",
    )


def test_without_epochs_the_course_is_that_of_single_values() -> None:
    made = record(metrics=MetricsFound(overview={"total_loss": {"first": 5.5, "last": 1.5, "points": 18}}))
    assert wording.course(made) == ("first → last value", "total_loss 5.5 → 1.5")


def test_times_are_shown_without_the_signs_of_machines_and_other_text_as_it_is() -> None:
    assert wording.moment("2026-11-22T12:00:00Z") == "2026-11-22 12:00:00"
    assert wording.moment("soon") == "soon"


def test_a_run_that_was_never_planned_has_a_report() -> None:
    bare = RunRecord(
        run_id="r",
        execution_arn="arn:x",
        stack="s",
        region="us-west-2",
        account="1",
        outcome="FAILED",
        error={"Error": "PrerequisitesNotMet", "Cause": "No such model."},
        request=None,
    )
    assert "No such model." in check_harmless(page(bare)).text()
    assert "No such model." in markdown.summary(bare)
    assert chat.notice(bare)


CORPUS = (*HOSTILE, *(encodable(text) for text in GATE_HOSTILE.values()))


@pytest.mark.parametrize("text", CORPUS)
def test_hostile_text_stays_text_on_the_page(text: str) -> None:
    made, found, samples = hostile(text)
    seen = check_harmless(page(made, series=found, samples=samples, log_tail=[text]))
    (data,) = [data for tag, data in seen.texts if tag == "script"]
    assert json.loads(data)["hint"] == text
    assert not re.search("[<>&\u2028\u2029]", data)
    assert not re.search("[\u2028\u2029\u202e\x00\x1b]", seen.text())


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60))
def test_no_text_makes_an_element(text: str) -> None:
    made, found, samples = hostile(text)
    check_harmless(page(made, series=found, samples=samples, log_tail=[text]))


def test_best_and_worst_answers_stand_in_the_report_and_not_in_the_record() -> None:
    samples = {
        "samples": [
            {"rank": "best", "prompt": "2+2?", "answer": "four", "score": 1.0, "metrics": {"ok": 1.0}}
        ]
    }
    seen = check_harmless(page(record(), samples=samples))
    assert "four" in seen.text()
    (data,) = [data for tag, data in seen.texts if tag == "script"]
    assert "four" not in data


@pytest.mark.parametrize(
    ("technique", "metrics", "titles"),
    [
        ("SFT", {"val_eval_total_loss": [1.0], "total_loss": [1.0]}, ["total_loss and val_eval_total_loss"]),
        ("DPO", {"rewards__margins": [1.0], "rewards__chosen": [1.0]}, ["rewards/margins", "rewards/chosen"]),
        ("RLVR", {"zzz": [1.0], "critic__rewards__mean": [1.0]}, ["critic/rewards/mean", "zzz"]),
    ],
)
def test_each_technique_has_its_own_curves_first(
    technique: Technique, metrics: dict[str, list[float]], titles: list[str]
) -> None:
    assert [chart.title for chart in charts(technique, series(**metrics))] == titles


def test_a_drawing_has_axes_a_description_and_nothing_but_shapes() -> None:
    (chart,) = charts("SFT", series(total_loss=[math.exp(-step / 30) for step in range(100)]))
    root = ElementTree.fromstring(chart.svg)  # noqa: S314 - our own drawing
    names = {node.tag.rpartition("}")[2] for node in root.iter()}
    assert names <= {"svg", "g", "path", "rect", "text", "title"}
    assert root.attrib["role"] == "img"
    assert "100 values from step 1 to 100" in root.attrib["aria-label"]
    texts = [node.text for node in root.iter() if node.tag.endswith("text")]
    assert {"step", "20", "0.4"} <= set(texts)
    lines = [node for node in root.iter() if "line reactive" in node.attrib.get("class", "")]
    assert len(lines) == 2
    assert chart.smoothed


def test_a_hundred_thousand_points_are_drawn_small_and_keep_their_course() -> None:
    points = [Point(step, float(step), 0) for step in range(100_000)]
    drawn = thinned(points)
    assert len(drawn) <= MOST_DRAWN
    assert drawn == sorted(drawn)
    assert sum(value for _, value in drawn) / len(drawn) == pytest.approx(49_999.5)
    (chart,) = charts("SFT", {"total_loss": points})
    assert len(chart.svg) < 60_000
    assert "100,000 values" in chart.says


@pytest.mark.parametrize(
    "values",
    [
        [math.nan],
        [math.inf, 1.0],
        [1e308, -1e308],
        [0.0],
        [5e-324] * 3,
        [1e99, -1e99],
        [math.nan, 2.0, math.nan],
    ],
)
def test_values_that_no_scale_can_show_never_stop_a_report(values: list[float]) -> None:
    check_harmless(page(record(), series=series(total_loss=values, other=[1.0, 2.0])))


@pytest.mark.parametrize(
    "values",
    [
        [0.1, 0.1 + 3e-17],
        [0.1, 0.1 + 3e-17] * 30,
        [0.1] * 30,
        [1e99, 1e99 + 1e84] * 30,
        [1.0, 1.0 + 2e-9] * 30,
        [0.0, 1e-320] * 30,
    ],
)
def test_values_that_only_rounding_tells_apart_are_drawn_as_one(values: list[float]) -> None:
    """A scale between two neighbouring numbers has no steps: a drawing of it would never end."""
    (chart,) = charts("SFT", series(total_loss=values))
    assert chart.svg
    assert f"{len(values):,} values" in chart.says


def test_few_values_are_drawn_with_a_dot_each_and_many_without() -> None:
    few, many = charts("SFT", series(total_loss=[3.0, 2.0, 1.0], other=[float(n % 7) for n in range(60)]))
    assert few.svg.count("<circle") == 3
    assert "<circle" not in many.svg
    assert (few.large, many.large) == (True, False)


def test_there_are_never_more_charts_than_anybody_looks_at() -> None:
    assert len(charts("SFT", series(**{f"m{index}": [1.0] for index in range(40)}))) == MOST_CHARTS


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=5))
def test_ticks_are_few_and_inside(steps: list[int]) -> None:
    found = ticks(steps)
    assert 1 <= len(found) <= 10
    assert all(min(steps) <= tick <= max(steps) for tick in found)


@given(st.floats(-1e6, 1e6), st.integers(1, 50))
def test_smoothing_leaves_a_constant_as_it_is(value: float, count: int) -> None:
    for _, found in smoothed([(float(step), value) for step in range(count)]):
        assert found == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(st.floats(-10, 10), st.floats(-5, 5))
def test_smoothing_does_not_lag_behind_a_straight_course(start: float, slope: float) -> None:
    line = [(float(step), start + slope * step) for step in range(101)]
    assert smoothed(line)[50][1] == pytest.approx(line[50][1], abs=1e-4)


# Spreadsheets


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_that_would_be_a_formula_gets_an_apostrophe(name: str) -> None:
    rows = list(csv.reader(io.StringIO(spreadsheet.table({name: [Point(1, -0.5, 0)]}), newline="")))
    assert rows[0] == ["metric", "step", "value", "time"]
    assert rows[1] == [f"'{name}", "1", "-0.5", "1970-01-01T00:00:00.000Z"]


def test_values_that_are_not_finite_are_words_in_a_spreadsheet() -> None:
    points = [Point(1, math.nan, 0), Point(2, -math.inf, 10**18)]
    rows = list(csv.reader(io.StringIO(spreadsheet.table({"m": points}), newline="")))
    assert [row[2] for row in rows[1:]] == ["NaN", "'-Infinity"]
    assert rows[2][3] == ""


@given(st.text(max_size=20))
def test_any_metric_name_survives_the_spreadsheet(name: str) -> None:
    rows = list(csv.reader(io.StringIO(spreadsheet.table({name: [Point(1, 1.0, 0)]}), newline="")))
    assert rows[1][0].removeprefix("'") == name.removeprefix("'")
    assert not rows[1][0].startswith(("=", "+", "-", "@", "\t", "\r"))


# Markdown and chat


def test_the_short_text_has_outcome_numbers_cost_and_next_command() -> None:
    text = markdown.summary(record(rehearsal=True), console="https://console.example/x")
    for said in (
        f"**Run `{record().run_id}` succeeded.**",
        "| total_loss | 5.5 | 1.438 | 18 |",
        "| 2 | 1.5 |",
        "185,162 tokens",
        "<https://console.example/x>",
        f"`tunestep results {record().run_id} --local`",
    ):
        assert said in text


LINK = re.compile(r"(?<!\\)\]\(|(?<!\\)<[a-z!/]|(?i:https?://|javascript:)")


@pytest.mark.parametrize("text", CORPUS)
def test_hostile_text_makes_no_link_image_table_or_element_in_markdown(text: str) -> None:
    made, _, _ = hostile(text)
    shown = markdown.summary(made, log_tail=[text])
    fenced = re.sub(r"```.*?```|`[^`\n]*`", "", shown, flags=re.DOTALL)
    assert not LINK.search(fenced), fenced
    rows = [line for line in fenced.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {3, 5}


@pytest.mark.parametrize("line", ["# a", "- a", "+ a", "1. a", "2) a", "---", "===", "> a", "* a", "| a |"])
def test_a_line_never_begins_a_block(line: str) -> None:
    shown = markdown.text(line)
    assert re.match(r"\\|\d+\\", shown)
    assert html.unescape(re.sub(r"\\(.)", r"\1", shown)) == line


@pytest.mark.parametrize("text", CORPUS)
def test_hostile_text_is_never_markup_in_slack(text: str) -> None:
    made, _, _ = hostile(text)
    blocks = chat.notice(made, log_tail=[text] * 40, console="https://console.example/x")
    assert len(blocks) <= 50
    links = list(_links(blocks))
    assert links == ["https://console.example/x"]
    assert "mrkdwn" not in json.dumps(blocks)
    for block in blocks:
        for found in _texts(block):
            assert 0 < len(found) <= 3000


def _links(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("type") == "link":
            yield value["url"]
        for part in value.values():
            yield from _links(part)
    elif isinstance(value, list):
        for part in value:
            yield from _links(part)


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
