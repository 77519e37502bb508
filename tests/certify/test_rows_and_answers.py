"""Rows in every form they come in, and answers of which it is certain that they differ."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.certify.support import certify, library, lines, probe, questions
from tunestep.certify import answers, rows
from tunestep.certify.data import HEAD_BYTES, of_bytes
from tunestep.certify.rows import Question, sent

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


def asked(reference: Any, **more: Any) -> Question:
    (found,) = questions([{"prompt": "?", "reference_answer": reference, **more}])
    return found


@pytest.mark.parametrize(
    ("row", "text", "reference"),
    [
        ({"prompt": "2+2?", "reward_model": {"ground_truth": "4"}}, "2+2?", "4"),
        ({"prompt": [{"role": "user", "content": "2+2?"}], "reference_answer": 4}, "2+2?", 4),
        (
            {
                "messages": [{"role": "user", "content": [{"text": "2+"}, {"text": "2?"}]}],
                "reference_answer": "4",
            },
            "2+2?",
            "4",
        ),
        ({"prompt": "q", "reference_answer": "", "metadata": {"reference_answer": "m"}}, "q", "m"),
        ({"prompt": "q", "reference_answer": '{"answer": "7"}'}, "q", {"answer": "7"}),
        ({"prompt": "q", "reference_answer": "{not json"}, "q", "{not json"),
        ({"prompt": "q"}, "q", None),
    ],
)
def test_question_and_reference_are_found(row: Any, text: str, reference: Any) -> None:
    (found,) = questions([row])
    assert (found.text, found.reference) == (text, reference)


def test_an_assistant_turn_at_the_end_is_an_answer_and_not_part_of_the_question() -> None:
    (found,) = questions(
        [{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}]
    )
    assert (found.text, found.own, len(found.turns)) == ("q", "a", 1)


def test_a_row_is_sent_as_the_service_sends_it() -> None:
    row = {
        "prompt": [{"role": "user", "content": "q"}],
        "reward_model": {"ground_truth": "4"},
        "data_source": "d",
    }
    (found,) = questions([row])
    event = sent(found, "id-1", "response")
    assert event["id"] == "id-1"
    assert event["messages"] == [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "response"},
    ]
    assert event["reference_answer"] == "4"
    assert {key: event[key] for key in row} == row


@given(st.lists(JSON, max_size=5))
def test_no_data_breaks_the_reading(values: list[Any]) -> None:
    found, refused = rows.decode(json.dumps(value).encode() for value in values)
    assert len(found) + refused == len(values)


@given(JSON)
def test_no_reference_breaks_the_answers(reference: Any) -> None:
    question = Question({}, ({"role": "user", "content": "?"},), reference)
    for form in answers.FORMS:
        text = form.write(question)
        assert text is None or isinstance(text, str)
    assert answers.readings(question) == answers.readings(question)


@pytest.mark.parametrize("garbage", [b"\xff\xfe", b"[" * 100_000, b"nope", b'"text"', b"[]", b"7"])
def test_lines_that_are_no_rows_are_counted(garbage: bytes) -> None:
    assert rows.decode([garbage, b"", b"  "]) == ([], 1)


def test_a_line_that_was_cut_off_is_left_out() -> None:
    filler = lines([{"prompt": "x" * 1000, "n": n} for n in range(1200)])
    assert len(filler) > HEAD_BYTES
    found = of_bytes(filler[: HEAD_BYTES + 1], 10_000)
    assert found.refused == 0
    assert found.questions


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.5", "1/2"),
        ("0.5", r"\frac{1}{2}"),
        ("50%", "0.5"),
        ("50%", "50"),
        ("1,000", "1000"),
        ("42.", "42"),
        ("Paris", "paris."),
        ("42.0", "42"),
        (["yes", "right"], "right"),
        ({"answer": "4"}, 4),
        ("They are 4.\n#### 4", "4"),
    ],
)
def test_equal_answers_in_other_words_are_never_taken_for_wrong(one: Any, other: Any) -> None:
    pair = [asked(one), asked(other)]
    assert answers.others(pair) == [None, None]


@pytest.mark.parametrize(
    ("one", "other"), [("4", "5"), ("A", "B"), ({"answer": 1}, {"answer": 2}), ("no", "yes")]
)
def test_different_answers_are_each_others_wrong_ones(one: Any, other: Any) -> None:
    pair = [asked(one), asked(other)]
    assert answers.others(pair) == [pair[1], pair[0]]


def test_every_form_states_the_answer_and_nothing_else_does() -> None:
    question = asked("8731")
    for form in answers.FORMS:
        if (text := form.write(question)) is not None:
            assert text.count("8731") == 1
    for text in (answers.SCRATCH, answers.UNFINISHED, answers.KEYWORDS, answers.EVASION):
        assert "8731" not in text


def _calls(references: list[Any]) -> list[dict[str, Any]]:
    return [
        {"prompt": [{"role": "user", "content": f"Task {number}"}], "reference_answer": reference}
        for number, reference in enumerate(references)
    ]


def _call(city: str) -> list[dict[str, Any]]:
    return [{"name": "book", "arguments": {"city": city}}]


def test_rows_in_which_nothing_is_to_be_called_are_certified_with_the_others() -> None:
    cities = ("Rome", "Oslo", "Lima", "Bern", "Kyiv", "Riga")
    found = certify(library("tool_call"), _calls([[], *map(_call, cities), []]))
    assert found.ok
    assert probe(found, "right answers").rows == 8
    assert probe(found, "right answers").score == 1
    # Calling nothing is right in two of the rows, so these probes are about the six others.
    for name in ("empty", "keywords without an answer", "the question again", "cut off before the answer"):
        assert (probe(found, name).rows, probe(found, name).score) == (6, 0), name


def test_a_reward_that_pays_for_calls_where_none_is_right_is_not_certified() -> None:
    def any_call(event: list[dict[str, Any]], _: object) -> dict[str, Any]:
        scored = [
            {"id": row["id"], "aggregate_reward_score": float('"name"' in row["messages"][-1]["content"])}
            for row in event
        ]
        return {"statusCode": 200, "body": json.dumps(scored)}

    found = certify(any_call, _calls([[], _call("Rome"), [], _call("Oslo")] * 4))
    assert not found.ok


def test_an_empty_list_among_other_answers_or_alone_is_a_row_without_a_reference() -> None:
    mixed = questions(_calls(["41", [], "43"]))
    assert [question.reference for question in answers.known(mixed)] == ["41", "43"]
    assert answers.known(questions(_calls([[], []]))) == []
    assert probe(certify(library("tool_call"), _calls([[], []])), "right answers").outcome == "not run"
