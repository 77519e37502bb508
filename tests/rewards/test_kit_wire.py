import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_functions.kit import Sample, Score, serve
from reward_functions.kit.samples import MAX_TEXT, read
from reward_functions.kit.try_out import row
from reward_functions.kit.types import RewardError
from reward_functions.kit.wire import MAX_BYTES, MAX_ROWS, EventInvalid


def right(sample: Sample) -> Score:
    return Score(float(sample.response == sample.reference), {"length": len(sample.response)})


open_weights = serve(right, contract="open-weights", quick=right)
nova = serve(right, contract="nova", quick=right)
ROWS = [row("4", "4", id="a"), row("5", "4", id="b")]


def items(answer: Any) -> list[dict[str, Any]]:
    assert answer["statusCode"] == 200
    assert answer["headers"] == {"Content-Type": "application/json"}
    listed: list[dict[str, Any]] = json.loads(answer["body"])
    return listed


def scores(answer: Any) -> list[float]:
    return [item["aggregate_reward_score"] for item in items(answer)]


@pytest.mark.parametrize(
    "event",
    [
        ROWS,
        {"batch": ROWS},
        {"input": ROWS},
        {"body": ROWS},
        {"body": json.dumps(ROWS)},
        {"body": json.dumps({"batch": ROWS})},
        {"body": json.dumps({"input": ROWS}), "headers": {}},
    ],
)
def test_open_weights_takes_every_holder_and_answers_in_an_envelope(event: Any) -> None:
    assert items(open_weights(event)) == [
        {
            "id": "a",
            "aggregate_reward_score": 1.0,
            "metrics_list": [{"name": "length", "value": 1.0, "type": "Metric"}],
        },
        {
            "id": "b",
            "aggregate_reward_score": 0.0,
            "metrics_list": [{"name": "length", "value": 1.0, "type": "Metric"}],
        },
    ]


def test_nova_takes_a_bare_list_and_answers_one() -> None:
    assert nova(ROWS) == items(open_weights(ROWS))


def test_auto_answers_as_open_weights_unless_the_function_is_set_to_nova(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = serve(right, quick=right)
    assert handler(ROWS)["statusCode"] == 200
    monkeypatch.setenv("REWARD_CONTRACT", "nova")
    assert [item["id"] for item in handler(ROWS)] == ["a", "b"]
    monkeypatch.setenv("REWARD_CONTRACT", "open-weights")
    assert handler(ROWS)["statusCode"] == 200
    assert open_weights(ROWS)["statusCode"] == 200


def test_a_contract_that_does_not_exist_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARD_CONTRACT", "novaa")
    answer = serve(right, quick=right)(ROWS)
    assert answer["statusCode"] == 500
    assert "REWARD_CONTRACT is 'novaa'" in answer["body"]


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({}, 400),
        ("", 400),
        (None, 400),
        (7, 400),
        ({"rows": ROWS}, 400),
        ({"batch": "nothing"}, 400),
        ({"body": "[" * 100_000}, 400),
        ({"body": " " * (MAX_BYTES + 1)}, 413),
        ([{}] * (MAX_ROWS + 1), 413),
    ],
)
def test_an_event_that_is_no_batch_is_refused_with_a_status_and_raises_for_nova(
    event: Any, status: int
) -> None:
    answer = open_weights(event)
    assert answer["statusCode"] == status
    assert json.loads(answer["body"])["error"]
    with pytest.raises(EventInvalid):
        nova(event)


def test_an_empty_batch_has_an_empty_answer() -> None:
    assert items(open_weights([])) == []
    assert nova([]) == []


@pytest.mark.parametrize(
    "content",
    [
        "4",
        [{"text": "4"}],
        [{"type": "text", "text": "4"}],
        ["4"],
        {"text": "4"},
        {"type": "text", "content": "4"},
        [{"type": "reasoning", "text": "5"}, {"type": "text", "text": "4"}, {"image": {}}],
        [{"reasoningContent": {"reasoningText": {"text": "5"}}}, {"text": "4"}],
    ],
)
def test_content_is_read_in_every_form(content: Any) -> None:
    assert scores(open_weights([row(content, "4")])) == [1.0]


@pytest.mark.parametrize(
    ("fields", "reference"),
    [
        ({"reference_answer": "4"}, "4"),
        ({"reference_answer": 4}, "4"),
        ({"reference_answer": 4.5}, "4.5"),
        ({"reference_answer": '{"answer": "4"}'}, {"answer": "4"}),
        ({"reference_answer": {"x": [4]}}, {"x": [4]}),
        ({"reference_answer": "{1, 2}"}, "{1, 2}"),
        ({"reference_answer": "[1, 2]"}, "[1, 2]"),
        ({"reference_answer": ["4", "four"]}, ["4", "four"]),
        ({"reward_model": {"ground_truth": "4", "style": "rule"}}, "4"),
        ({"metadata": {"reference_answer": "4"}}, "4"),
        ({"reference_answer": "", "reward_model": {"ground_truth": "4"}}, "4"),
        ({"reference_answer": None}, None),
        ({}, None),
        ({"reward_model": "rule", "metadata": 3}, None),
    ],
)
def test_the_reference_is_found_wherever_data_sets_keep_it(fields: dict[str, Any], reference: Any) -> None:
    plain = row("x")
    del plain["reference_answer"]
    assert read({**plain, **fields}, 0).reference == reference


@pytest.mark.parametrize("role", ["assistant", "nova_assistant", "model"])
def test_the_response_is_the_last_assistant_turn(role: str) -> None:
    turns = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "first"},
        {"role": "user", "content": "again"},
        {"role": role, "content": "second"},
        {"role": "tool", "content": "done"},
    ]
    assert read({"messages": turns}, 0).response == "second"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (None, "null, not an object"),
        ("text", "str, not an object"),
        ({}, "messages is missing"),
        ({"messages": []}, "messages is missing, empty"),
        ({"messages": ["hello"]}, "messages[0] is not an object with a role"),
        ({"messages": [{"role": "assistant", "content": 7}]}, "messages[0].content is int"),
        ({"messages": [{"role": "assistant", "content": [7]}]}, "content[0] is int"),
        ({"messages": [{"role": "assistant", "content": {"text": 7}}]}, "text of type int"),
        ({"messages": [{"role": "user", "content": "?"}]}, "no assistant turn"),
        (row("x" * (MAX_TEXT + 1)), "response has"),
        (row("x", "y" * (MAX_TEXT + 1)), "reference has"),
        (row("x", float("inf")), "the reference is float"),
        ({"messages": [{"role": "assistant", "content": ""}] * 1001}, "1001 turns"),
    ],
)
def test_a_malformed_row_is_an_error_of_its_own_and_takes_nothing_with_it(bad: Any, says: str) -> None:
    answer = items(open_weights({"explain": True, "batch": [row("4", "4"), bad, row("4", "4")]}))
    assert [item["aggregate_reward_score"] for item in answer] == [1.0, 0.0, 1.0]
    assert answer[1]["metrics_list"] == [{"name": "error", "value": 1.0, "type": "Metric"}]
    assert says in answer[1]["reason"]


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        ("a", "a"),
        (7, 7),
        (1.5, 1.5),
        ("", ""),
        ("\ud800", "?"),
        (None, "0"),
        (True, "0"),
        ([1], "0"),
        ({"x": 1}, "0"),
        (float("nan"), "0"),
    ],
)
def test_ids_are_echoed_as_they_came_or_replaced_by_the_position(given: Any, answered: Any) -> None:
    (item,) = nova([row("4", "4", id=given)])
    assert item["id"] == answered
    assert type(item["id"]) is type(answered)
    json.dumps(item, ensure_ascii=False, allow_nan=False).encode()


def test_repeated_ids_are_answered_one_by_one() -> None:
    assert scores(open_weights([row("4", "4", id="a"), row("5", "4", id="a")])) == [1.0, 0.0]


def test_an_answer_beyond_lambdas_limit_goes_without_metrics() -> None:
    names = {f"metric {index:02} {'x' * 80}": 0.5 for index in range(32)}
    handler = serve(lambda _: Score(1.0), quick=lambda _: Score(1.0, names))
    answer = handler([row("4", "4", id=str(index)) for index in range(2_000)])
    assert len(answer["body"]) < MAX_BYTES
    assert {"id", "aggregate_reward_score"} == set(items(answer)[0])


def test_reasons_leave_the_function_only_when_asked_for() -> None:
    handler = serve(right, quick=lambda _: Score(1.0, reason="because"))
    assert "because" not in str(handler(ROWS))
    assert items(handler({"batch": ROWS, "explain": True}))[0]["reason"] == "because"


def test_the_log_is_one_json_line_of_counts_without_content(capsys: pytest.CaptureFixture[str]) -> None:
    def picky(sample: Sample) -> Score:
        if sample.response == "secret":
            raise ValueError(f"cannot read {sample.response}")
        raise RewardError("no option", sample.response)

    serve(picky, name="picky")([row("secret", "classified"), row("secret two", "classified"), None])
    (line,) = capsys.readouterr().out.splitlines()
    logged = json.loads(line)
    assert (logged["rows"], logged["scored"], logged["errors"], logged["timeouts"]) == (3, 0, 3, 0)
    assert logged["reward"] == "picky"
    assert any(cause.startswith("ValueError at test_kit_wire.py:") for cause in logged["causes"])
    assert "secret" not in line
    assert "classified" not in line


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TURN = st.fixed_dictionaries({}, optional={"role": st.sampled_from(["user", "assistant"]), "content": VALUES})
ROW = st.fixed_dictionaries(
    {},
    optional={
        "id": VALUES,
        "messages": st.lists(TURN, max_size=3) | VALUES,
        "reference_answer": VALUES,
        "metadata": VALUES,
    },
)


@given(st.lists(ROW | VALUES, max_size=5))
def test_whatever_the_rows_are_each_gets_one_finite_score_in_order(rows: list[Any]) -> None:
    answer = nova(rows)
    assert len(answer) == len(rows)
    for given_row, item in zip(rows, answer, strict=True):
        json.dumps(item, allow_nan=False)
        if isinstance(given_row, dict) and isinstance(given_row.get("id"), str):
            assert item["id"] == given_row["id"].encode("utf-8", "replace").decode()
