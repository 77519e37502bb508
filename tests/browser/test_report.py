"""The report in a real browser: nothing runs, nothing is asked for, the numbers are the record's."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gate.hostile import HOSTILE as GATE_HOSTILE
from tests.support.records import HOSTILE, hostile, record, series
from tests.support.run_world import make_plan
from tunestep import metric_series
from tunestep.plan_model import RewardPlan
from tunestep.record_model import MetricsFound
from tunestep.reports.page import page as report
from tunestep.text import encodable

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

WIDTHS = (360, 820, 1440)
COLOURS = ("light", "dark")
A4 = 794
"""The width of a sheet in CSS pixels."""


def ordinary() -> str:
    values = [5 / (1 + step / 20) for step in range(200)]
    return report(record(), series=series(total_loss=values, val_eval_total_loss=values[::20]))


def reinforced() -> str:
    """A run with as many and as long names of metrics as a report's tables show."""
    names = [
        *metric_series.PRIMARY["RLVR"],
        "response_length/clip_ratio",
        "reward/all_were_undecided",
    ]
    reward = RewardPlan(kind="function", value="math_answer")
    found = MetricsFound(
        overview={name: {"first": 0.0012345, "last": -1.25e-17, "points": 80} for name in names},
        epochs=[{"epoch": epoch, **dict.fromkeys(names, 0.00123456)} for epoch in (1, 2)],
    )
    made = record(plan=make_plan(technique="RLVR", reward=reward), metrics=found)
    values = [float(step % 7) for step in range(80)]
    return report(made, series={name: series(m=values)["m"] for name in names})


def broken() -> str:
    """A run that was refused for its data."""
    where = f"s3://data-{'0123456789abcdef' * 4}/train.jsonl line 1"
    finding = {"severity": "error", "code": "ROW_NOT_JSON", "where": where, "message": "1 row: no JSON."}
    error = {"Error": "PrerequisitesNotMet", "Cause": f"ROW_NOT_JSON at {where}: 1 row."}
    return report(
        record(
            outcome="FAILED",
            error=error,
            job=None,
            model_package_arn="",
            metrics=MetricsFound(),
            dataset={"findings": [finding]},
        )
    )


def look(page: Any, file: Path, html: str) -> None:
    """Open a report that lies in a file; it must ask for nothing but itself."""
    file.write_text(html, encoding="utf-8")
    asked: list[str] = []

    def note(request: Any) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.goto(file.as_uri())
    page.wait_for_load_state("networkidle")
    page.remove_listener("request", note)
    assert asked == [file.as_uri()]


def shown(browser: Callable[..., Any], folder: Path, html: str, **options: Any) -> Any:
    page = browser(**options)
    look(page, folder / "report.html", html)
    return page


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_every_width_and_shows_the_numbers_of_its_record(
    browser: Callable[..., Any],
    picture: Callable[[Any, str], None],
    tmp_path: Path,
    width: int,
    colours: str,
) -> None:
    page = shown(
        browser,
        tmp_path,
        ordinary(),
        viewport={"width": width, "height": 900},
        color_scheme=colours,
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    data = json.loads(page.locator("#record").text_content())
    text = page.locator("body").inner_text()
    loss = data["metrics"]["overview"]["total_loss"]
    for number in (f"{loss['first']:.4g}", f"{loss['last']:.4g}", f"{data['cost']['billed']['tokens']:,}"):
        assert number in text
    assert data["model_package_arn"] in text
    for row in data["metrics"]["epochs"]:
        assert f"{row['total_loss']:.4g}" in text
    drawing = page.get_by_role("img").first
    box = drawing.bounding_box()
    assert box["width"] > 300
    assert box["height"] > 100
    picture(page, f"report-{width}-{colours}")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("make", [reinforced, broken])
def test_many_metrics_and_a_failure_fit_every_width_too(
    browser: Callable[..., Any],
    picture: Callable[[Any, str], None],
    tmp_path: Path,
    make: Callable[[], str],
    width: int,
) -> None:
    page = shown(browser, tmp_path, make(), viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    heads = page.eval_on_selector_all("th", "all => all.map(e => [e.innerText, e.offsetWidth])")
    assert [head for head in heads if head[0] and head[1] < 60] == []
    picture(page, f"report-{make.__name__}-{width}")


def contrast(page: Any, selector: str) -> float:
    """The contrast ratio of an element's text against the page (WCAG 2.2)."""
    return float(
        page.evaluate(
            """selector => {
                const light = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number).map(value => {
                    const share = value / 255;
                    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
                }).reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
                const ink = light(getComputedStyle(document.querySelector(selector)).color);
                const paper = light(getComputedStyle(document.body).backgroundColor);
                return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
            }""",
            selector,
        )
    )


@pytest.mark.parametrize("colours", COLOURS)
def test_it_can_be_read_by_everybody(browser: Callable[..., Any], tmp_path: Path, colours: str) -> None:
    page = shown(browser, tmp_path, ordinary(), color_scheme=colours)
    for selector in ("body", ".soft", ".good", "caption", "dt", "a"):
        assert contrast(page, selector) >= 4.5, selector
    assert page.locator("html").get_attribute("lang") == "en"
    levels = [int(tag[1]) for tag in page.eval_on_selector_all("h1,h2,h3", "all => all.map(e => e.tagName)")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("svg:not([aria-label])").count() == 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_it_prints_dark_on_white_with_nothing_cut_off(
    browser: Callable[..., Any], picture: Callable[[Any, str], None], tmp_path: Path
) -> None:
    page = shown(browser, tmp_path, reinforced(), color_scheme="dark", viewport={"width": A4, "height": 900})
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= A4
    picture(page, "report-print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_the_hostile_corpus_runs_nothing_and_asks_for_nothing(
    browser: Callable[..., Any], tmp_path: Path
) -> None:
    page = browser()
    for number, text in enumerate((*HOSTILE, *map(encodable, GATE_HOSTILE.values()))):
        made, found, samples = hostile(text)
        html = report(made, series=found, samples=samples, log_tail=[text])
        look(page, tmp_path / f"{number}.html", html)
        assert page.evaluate("window.hacked") is None, text
        assert page.evaluate("document.querySelectorAll('script:not(#record)').length") == 0
        assert json.loads(page.locator("#record").text_content())["hint"] == text
