"""The defaults pass the library and refuse what a job would learn to exploit, each for its own reasons."""

import itertools
import json
from typing import Any

import pytest

from tests.certify import style_template
from tests.certify.support import InProcess, answering, certify, codes, library, outcomes, probe, products
from tunestep.certify import probes
from tunestep.certify.outcomes import QUOTE, Thresholds

WORDS = [
    first + second
    for first in ("lan", "ver", "col", "mar", "tin", "sol")
    for second in ("ter", "na", "dor", "vik", "leb")
]


def sentences(count: int = 30) -> list[dict[str, Any]]:
    return [
        {
            "prompt": f"Tell me about thing {n}.",
            "reference_answer": " ".join(WORDS[(n + n * n * step + step) % 30] for step in range(9)),
        }
        for n in range(count)
    ]


def letters(count: int = 30) -> list[dict[str, Any]]:
    asked = "Which one is it, number {}? A) red B) green C) blue D) black"
    return [{"prompt": asked.format(n), "reference_answer": "ABCD"[n * 7 % 4]} for n in range(count)]


def tool_calls(count: int = 30) -> list[dict[str, Any]]:
    return [
        {
            "messages": [{"role": "user", "content": f"Weather in city {n}?"}],
            "reference_answer": {"name": "weather", "arguments": {"city": f"city {n}"}},
        }
        for n in range(count)
    ]


def solutions(count: int = 30) -> list[dict[str, Any]]:
    """References that are whole solutions, as grade-school maths has them."""
    return [
        {"prompt": f"{n} boxes of 7?", "reference_answer": f"There are {n} * 7 = {n * 7}.\n#### {n * 7}"}
        for n in range(1, count)
    ]


def nova(count: int = 30) -> list[dict[str, Any]]:
    return [
        {
            "id": f"row {n}",
            "messages": [{"role": "user", "content": [{"text": f"{n} and {n}?"}]}],
            "reference_answer": {"answer": str(2 * n)},
        }
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("reward", "rows"),
    [
        ("math_answer", products()),
        ("math_answer", solutions()),
        ("math_answer", nova()),
        ("exact_match", products()),
        ("exact_match", letters()),
        ("multiple_choice", letters()),
        ("tool_call", tool_calls()),
        ("text_similarity", sentences()),
    ],
)
def test_the_library_passes_by_default(reward: str, rows: list[dict[str, Any]]) -> None:
    certified = certify(library(reward), rows)
    assert certified.ok, [finding.line() for finding in certified.findings]
    assert outcomes(certified, "pass") == set(probes.NAMES)


def test_a_reward_for_style_is_refused_with_its_reasons() -> None:
    certified = certify(style_template.lambda_handler)
    assert not certified.ok
    assert outcomes(certified, "fail") >= {
        "right answers",
        "wrong, at length",
        "cut off before the answer",
        "two answers, right one first",
        "keywords without an answer",
        "malformed rows stay alone",
    }
    assert codes(certified) == {"REWARD_GOLD_LOW", "REWARD_WRONG_HIGH", "REWARD_BATCH_LOST"}
    assert probe(certified, "right answers").score == pytest.approx(0.7)
    assert probe(certified, "two answers, right one first").score >= 0.7
    worked = {name: mean for name, mean in certified.facts["forms"].items() if name.startswith("working")}
    assert max(worked.values()) < 0.5, "the first number after an equals sign is taken for the answer"


@pytest.mark.parametrize(
    "thresholds",
    [Thresholds(min_gold=0.5), Thresholds(max_wrong=0.3), Thresholds(min_gold=0.5, max_wrong=0.3)],
)
def test_lower_thresholds_do_not_let_it_through(thresholds: Thresholds) -> None:
    certified = certify(style_template.lambda_handler, thresholds=thresholds)
    assert probe(certified, "two answers, right one first").outcome == "fail"


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_reward_is_refused(value: float) -> None:
    handler = answering(lambda results: [row | {"aggregate_reward_score": value} for row in results])
    certified = certify(handler)
    assert probe(certified, "not constant").outcome == "fail"
    assert "REWARD_CONSTANT" in codes(certified)


def test_a_reward_that_finds_the_reference_anywhere_is_refused_for_hedging() -> None:
    def handler(event: Any, _context: Any) -> Any:
        return [
            {
                "id": row["id"],
                "aggregate_reward_score": float(
                    str(row.get("reference_answer", "?"))
                    in str((row.get("messages") or [{}])[-1].get("content"))
                ),
            }
            for row in event
        ]

    certified = certify(handler, family="nova")
    assert outcomes(certified, "fail") >= {"two answers, right one first", "two answers, right one last"}


def test_chance_and_state_are_noticed() -> None:
    count = itertools.count()
    noisy = answering(
        lambda results: [
            row | {"aggregate_reward_score": row["aggregate_reward_score"] - 1e-6 * (next(count) % 7)}
            for row in results
        ]
    )
    assert "REWARD_NOT_DETERMINISTIC" in codes(certify(noisy))


def test_a_score_that_depends_on_the_place_in_the_batch_is_noticed() -> None:
    ranked = answering(
        lambda results: [
            row | {"aggregate_reward_score": row["aggregate_reward_score"] - place / 1e5}
            for place, row in enumerate(results)
        ]
    )
    certified = certify(ranked)
    assert probe(certified, "same batch, same scores").outcome == "pass"
    assert probe(certified, "other order, same scores").outcome == "fail"


def test_rows_without_a_reference_say_which_probes_were_not_run() -> None:
    rows = [{"prompt": f"Write a poem about {word}."} for word in WORDS]
    handler = answering(lambda results: results)
    certified = certify(handler, rows)
    assert certified.ok
    assert {"right answers", "wrong: another row's answer", "not constant"} <= outcomes(certified, "not run")
    assert {"answers by the contract", "empty", "batch of 512 in time"} <= outcomes(certified, "pass")
    (found,) = [finding for finding in certified.findings if finding.code == "REWARD_PROBES_NOT_RUN"]
    assert found.severity == "warning"
    assert "wrong: another row's answer" in found.message


def test_a_schema_is_not_taken_for_an_answer() -> None:
    schema = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}}
    rows = [{"prompt": f"Person {n}", "reference_answer": schema} for n in range(9)]
    certified = certify(library("json_schema"), rows)
    assert certified.ok
    assert probe(certified, "right answers").outcome == "not run"


def test_a_rows_own_answer_is_right_when_the_reference_holds_none() -> None:
    schema = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}}
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Person {n}"},
                {"role": "assistant", "content": json.dumps({"age": n})},
            ],
            "reference_answer": schema,
        }
        for n in range(9)
    ]
    certified = certify(library("json_schema"), rows)
    assert probe(certified, "right answers").outcome == "pass"
    assert probe(certified, "right answers").detail == "form: the row's own"


def test_rows_that_all_have_one_answer_cannot_show_a_wrong_one() -> None:
    rows = [{"prompt": f"{n}?", "reference_answer": "yes"} for n in range(9)]
    certified = certify(library("exact_match"), rows)
    assert probe(certified, "wrong: another row's answer").outcome == "not run"
    assert "the same answer" in probe(certified, "wrong: another row's answer").detail


def test_rows_that_the_reward_cannot_judge_are_errors_and_no_low_scores() -> None:
    rows = [{"prompt": f"{n}?"} for n in range(9)]
    certified = certify(library("math_answer"), rows)
    assert probe(certified, "empty").outcome == "error"
    assert "REWARD_FAILS" in codes(certified)


def test_a_slow_reward_is_refused_by_the_size_of_the_batch() -> None:
    function = InProcess(library("math_answer"), timeout=10.0, seconds=lambda rows: 0.05 * rows)
    certified = certify(function)
    assert probe(certified, "batch of 64 in time").outcome == "pass"
    assert probe(certified, "batch of 512 in time").outcome == "timeout"
    assert codes(certified) == {"REWARD_TIMES_OUT"}
    assert max(function.sizes) == 512


def test_a_slow_first_call_is_a_warning_and_no_broken_contract() -> None:
    waits = iter([11.0])
    function = InProcess(library("math_answer"), timeout=10.0, seconds=lambda rows: next(waits, 0.01))
    certified = certify(function)
    assert certified.ok
    assert "only when called again" in probe(certified, probes.NAMES[0]).detail
    assert "REWARD_SLOW_START" in codes(certified, "warning")


def test_large_rows_are_timed_in_what_one_call_carries_and_extrapolated() -> None:
    rows = [row | {"filler": "x" * 30_000} for row in products()]
    function = InProcess(library("math_answer"), timeout=10.0, seconds=lambda rows: 0.03 * rows)
    certified = certify(function, rows)
    large = probe(certified, "batch of 512 in time")
    assert (large.outcome, large.rows < 512) == ("fail", True)
    assert "extrapolated" in large.detail
    assert "REWARD_TOO_SLOW" in codes(certified)


def test_calls_are_few_and_within_the_payload() -> None:
    function = InProcess(library("math_answer"))
    certify(function, products(1000), thresholds=Thresholds(sample=24))
    assert len(function.sizes) == certify(function).facts["calls"] <= 40


def test_when_the_time_is_used_up_what_was_not_run_is_an_error() -> None:
    certified = certify(library("math_answer"), budget_seconds=0.0)
    assert outcomes(certified, "not run") == set(probes.NAMES)
    assert codes(certified) == {"REWARD_TOO_SLOW"}


def test_a_list_is_read_as_a_choice_or_as_a_whole_as_the_reward_reads_it() -> None:
    any_of = [{"prompt": f"{n}?", "reference_answer": [f"word{n}", f"term{n}"]} for n in range(9)]
    assert certify(library("exact_match"), any_of).ok
    pairs = (["A", "B"], ["C", "D"], ["E", "F"])
    all_of = [{"prompt": f"{n}?", "reference_answer": pairs[n % 3]} for n in range(9)]
    certified = certify(library("multiple_choice"), all_of)
    assert certified.ok, [finding.line() for finding in certified.findings]
    assert probe(certified, "right answers").detail == "form: the whole list"


def test_the_sample_is_spread_over_the_data_and_the_same_each_time() -> None:
    function = InProcess(library("math_answer"))
    certified = certify(function, products(200), thresholds=Thresholds(sample=10))
    assert certified.facts["rows"] == 10
    assert (
        certify(function, products(200), thresholds=Thresholds(sample=10)).probes[:14]
        == certified.probes[:14]
    )


def test_only_examples_quote_rows_and_only_shortly() -> None:
    secret = "SECRETQUESTION"
    rows = [row | {"prompt": f"{secret} {n} " + "y" * 500} for n, row in enumerate(products())]
    certified = certify(style_template.lambda_handler, rows)
    report = certified.report()
    examples = report.pop("examples")
    assert secret not in json.dumps(report)
    assert secret in json.dumps(examples)
    assert all(
        len(example[key]) <= QUOTE for example in examples for key in ("question", "response", "reference")
    )
    assert len(examples) <= len(probes.NAMES) * probes.MAX_EXAMPLES


def test_long_lines_and_what_is_no_row_are_counted_and_left_out() -> None:
    body = [*products(3), [], "text", {"prompt": 7}, {"prompt": "x" * 200_000}]
    certified = certify(library("math_answer"), body)
    assert (certified.facts["rows"], certified.facts["rows_refused"]) == (3, 4)
