"""Paths, templates and intrinsic functions, by property and by table."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunestep.local.interpreter import intrinsics, paths, templates
from tunestep.local.interpreter.documents import dumps, loads
from tunestep.local.interpreter.failures import StateFailure, matches

NAMES = st.text(min_size=1, max_size=6)
STEPS = st.lists(NAMES | st.integers(0, 3), min_size=1, max_size=5)
MEMBERS = st.lists(NAMES, min_size=1, max_size=4)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
JSON = st.recursive(
    LEAVES, lambda x: st.lists(x, max_size=3) | st.dictionaries(NAMES, x, max_size=3), max_leaves=8
)


def spelt(steps: list[str | int]) -> str:
    """A path in brackets."""
    parts = []
    for step in steps:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            escaped = step.replace("\\", "\\\\").replace("'", "\\'")
            parts.append(f"['{escaped}']")
    return "$" + "".join(parts)


def nested(steps: list[str | int], value: Any) -> Any:
    for step in reversed(steps):
        value = {step: value} if isinstance(step, str) else [0] * step + [value]
    return value


@settings(deadline=None)
@given(STEPS, JSON)
def test_a_path_finds_what_lies_at_its_steps(steps: list[str | int], value: Any) -> None:
    assert paths.evaluate(paths.parse(spelt(steps)), nested(steps, value), None) == value


@settings(deadline=None)
@given(STEPS, JSON)
def test_the_context_object_has_two_dollars(steps: list[str | int], value: Any) -> None:
    path = paths.parse("$" + spelt(steps))
    assert paths.evaluate(path, None, nested(steps, value)) == value


@settings(deadline=None)
@given(MEMBERS, st.dictionaries(NAMES, JSON, max_size=3), JSON)
def test_what_result_path_writes_is_read_back_and_the_input_is_untouched(
    members: list[str], document: dict[str, Any], result: Any
) -> None:
    path, before = paths.parse(spelt(list(members))), copy.deepcopy(document)
    try:
        written = paths.insert(path, document, result)
    except StateFailure as failure:
        assert failure.error == "States.ResultPathMatchFailure"
    else:
        assert paths.evaluate(path, written, None) == result
        others = {key: value for key, value in written.items() if key != members[0]}
        assert others == {key: value for key, value in before.items() if key != members[0]}
    assert document == before


@settings(deadline=None)
@given(JSON, JSON)
def test_the_root_as_result_path_replaces_the_input(document: Any, result: Any) -> None:
    assert paths.insert(paths.parse("$"), document, result) == result


@settings(deadline=None)
@given(st.lists(st.integers(), min_size=1, max_size=4), st.data())
def test_result_path_writes_into_an_array_only_where_it_has_an_item(
    items: list[int], data: st.DataObject
) -> None:
    index = data.draw(st.integers(-6, 6))
    path = paths.parse(f"$.a[{index}]")
    if -len(items) <= index < len(items):
        expected = [*items]
        expected[index] = -1
        assert paths.insert(path, {"a": items}, -1) == {"a": expected}
    else:
        with pytest.raises(StateFailure, match="ResultPathMatchFailure"):
            paths.insert(path, {"a": items}, -1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "$a",
        "$.",
        "$..a",
        "$.a[*]",
        "$.a[?(@.b)]",
        "$.a[1:2]",
        "$.a[",
        "$.a['b",
        "$.*",
        "$.a b",
        "$.a.['b']x",
        "$.a[1,2]",
        "States.Format('x')",
        "$[x]",
        "$.a.length()",
    ],
)
def test_what_is_no_single_reference_is_refused(text: str) -> None:
    with pytest.raises(paths.PathInvalid):
        paths.parse(text)


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("$.a", {}),
        ("$.a", []),
        ("$.a", "a"),
        ("$.a.b", {"a": None}),
        ("$[0]", {}),
        ("$[2]", [1]),
        ("$[0]", "a"),
        ("$['0']", [1]),
    ],
)
def test_a_path_into_nothing_is_not_found(text: str, document: Any) -> None:
    with pytest.raises(paths.PathNotFound):
        paths.evaluate(paths.parse(text), document, None)


def test_a_path_to_null_is_found() -> None:
    assert paths.evaluate(paths.parse("$.a"), {"a": None}, None) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("States.Format('no placeholder')", "no placeholder"),
        ("States.Format('{}-{}', $.n, $.s)", "1.5-text"),
        ("States.Format('{}', true)", "true"),
        ("States.Format('{}', null)", "null"),
        (r"States.Format('it\'s \{\} {}', $.s)", "it's {} text"),
        ("States.Format($.template, 'x')", "<x>"),
        ("States.JsonToString($.o)", '{"a":[1,null]}'),
        ("States.StringToJson($.json)", [True]),
        ("States.StringToJson(States.JsonToString($.o))", {"a": [1, None]}),
        ("States.Array()", []),
        ("States.Array( 1 , 'a, b' , $.o.a[0] )", [1, "a, b", 1]),
        ("States.Array($['s'], -2.5e1)", ["text", -25.0]),
    ],
)
def test_intrinsic_functions(text: str, value: Any) -> None:
    document = {"n": 1.5, "s": "text", "o": {"a": [1, None]}, "json": "[true]", "template": "<{}>"}
    assert intrinsics.evaluate(intrinsics.parse(text), document, None) == value


@pytest.mark.parametrize(
    "text",
    [
        "States.Format('{}')",
        "States.Format('{}', $.o)",
        "States.Format('x', 1)",
        "States.Format($.n, 1)",
        "States.StringToJson($.s)",
        "States.StringToJson($.n)",
    ],
)
def test_an_intrinsic_function_that_cannot_do_it_fails_by_name(text: str) -> None:
    with pytest.raises(StateFailure) as caught:
        intrinsics.evaluate(intrinsics.parse(text), {"n": 1.5, "s": "no json", "o": {}}, None)
    assert caught.value.error == "States.IntrinsicFailure"


@pytest.mark.parametrize(
    "text",
    [
        "States.Formt('x')",
        "States.UUID()",
        "States.Format('x'",
        "States.Format('x') y",
        "States.Format(x)",
        "States.Format(,)",
        "States.Format()",
        "States.JsonToString($.a, $.b)",
        "States.Array($.a[*])",
        "States.Format",
        "States.Format('x',)",
        "'x'",
        "$.a",
        "",
    ],
)
def test_what_is_no_intrinsic_call_is_refused(text: str) -> None:
    with pytest.raises(intrinsics.IntrinsicInvalid):
        intrinsics.parse(text)


@settings(deadline=None)
@given(JSON)
def test_a_template_without_dynamic_members_is_its_own_value(value: Any) -> None:
    if not any(path.endswith(".$") for path in keys(value)):
        assert templates.render(value, {}, {}) == value


def keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for item in value.values() for key in keys(item))]
    return [key for item in value for key in keys(item)] if isinstance(value, list) else []


@pytest.mark.parametrize(
    "template",
    [{"a.$": 1}, {"a.$": "a"}, {"a.$": "$.b", "a": 1}, {"a": [{"b.$": "$.."}]}, {"a.$": "States.No($)"}],
)
def test_a_broken_template_is_found_before_it_runs(template: Any) -> None:
    assert list(templates.faults(template, "Parameters"))


@settings(deadline=None)
@given(JSON)
def test_documents_survive_their_text(value: Any) -> None:
    assert loads(dumps(value)) == value


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}', "{", "", "[" * 100_000])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(text)


def test_a_lone_surrogate_stays_an_escape() -> None:
    assert dumps("\ud800") == r'"\ud800"'


@pytest.mark.parametrize(
    ("error", "names", "taken"),
    [
        ("Mine", ["Mine"], True),
        ("Mine", ["Other"], False),
        ("Mine", ["States.TaskFailed"], True),
        ("Mine", ["States.ALL"], True),
        ("States.Timeout", ["States.TaskFailed"], False),
        ("States.Timeout", ["States.ALL"], True),
        ("States.HeartbeatTimeout", ["States.Timeout"], True),
        ("States.Timeout", ["States.HeartbeatTimeout"], False),
        ("States.Runtime", ["States.ALL"], False),
        ("States.Runtime", ["States.Runtime"], False),
        ("States.Runtime", ["States.TaskFailed"], False),
        ("States.DataLimitExceeded", ["States.ALL"], False),
        ("States.DataLimitExceeded", ["States.TaskFailed"], False),
        ("Lambda.Unknown", ["States.TaskFailed"], True),
    ],
)
def test_which_errors_a_list_of_names_takes(error: str, names: list[str], taken: bool) -> None:
    assert matches(error, names) is taken
