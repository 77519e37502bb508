"""What each reward answers: one table per reward, and what it does with a reference it cannot use."""

import json
from dataclasses import replace
from typing import Any

import pytest

from reward_functions import (
    combine,
    exact_match,
    format,
    json_schema,
    multiple_choice,
    text_similarity,
    tool_call,
)
from reward_functions.kit import RewardError
from reward_functions.kit.try_out import row, sample


def value(reward: Any, response: object, reference: object = None, **chosen: Any) -> float:
    return float(reward.score(replace(sample(response, reference), options=chosen)).value)


@pytest.mark.parametrize(
    ("response", "reference", "chosen", "wanted"),
    [
        ("Paris", "Paris", {}, 1),
        ("paris.", "Paris", {}, 1),
        ("The answer is **Paris**.", "Paris", {}, 1),
        ("The answer is Paris. It lies on the Seine.", "Paris", {}, 1),
        ("The answer is St. Louis.", "St. Louis", {}, 1),
        ("42.", "42", {}, 1),
        ("1,000", "1000", {}, 1),
        (f"1{'0' * 40}1", f"1{'0' * 40}2", {}, 0),
        (".5", "0.50", {}, 1),
        ("42.0", "42", {}, 1),
        ("#### -0", "0", {}, 1),
        ("42", "42.0", {"numbers": False}, 0),
        ("1 000", "1000", {}, 0),
        ("1,00", "100", {}, 0),
        ("10,00", "10", {}, 0),
        ("Paris", "Rome", {}, 0),
        (r"\boxed{\text{Paris}}", "Paris", {}, 1),
        (r"\boxed{\text{Paris}} \boxed{\text{Rome}}", "Paris", {}, 0),
        ("", "Paris", {}, 0),
        ("Par", "Paris", {}, 0),
        ("Paris Rome", "Paris", {}, 0),
        ("Paris or Rome", "Paris", {}, 0),
        ("The answer is Paris or Rome.", "Paris", {}, 0),
        ("The answer is Paris. Or maybe Rome.", "Paris", {}, 0),
        ("The answer is Paris. The answer is Rome.", "Paris", {}, 0),
        ("The answer is Rome. The answer is Paris.", "Paris", {}, 0),
        ("I think of Paris, the capital, Paris, Paris.", "Paris", {}, 0),
        ("What is the capital of France, Paris?", "Paris", {}, 0),
        ("I looked it up.\nParis", "Paris", {}, 0),
        ("I looked it up.\nParis", "Paris", {"unmarked": "last_line"}, 1),
        ("Paris", "paris", {"ignore_case": False}, 0),
        ("the U.S.A", "USA", {"ignore_articles": True}, 0),
        ("the dog's bed", "dogs bed", {"ignore_punctuation": True, "ignore_articles": True}, 0),
        ("the dog-bed", "dog bed", {"ignore_punctuation": True, "ignore_articles": True}, 1),
        ("Zürich", "zurich", {"ignore_accents": True}, 1),
        ("four", ["4", "four"], {}, 1),
        ("4.0", [4, "four"], {}, 1),
        ("five", ["4", "four"], {}, 0),
        ("Paris", {"answer": "Paris"}, {}, 1),
        ("The answer is 2026-11-22", r"\d{4}-\d{2}-\d{2}", {"mode": "regex"}, 1),
        ("on 2026-11-22", r"\d{4}-\d{2}-\d{2}", {"mode": "regex"}, 0),
        ("ABC", "[a-c]+", {"mode": "regex", "ignore_case": False}, 0),
    ],
)
def test_exact_match(response: str, reference: Any, chosen: dict[str, Any], wanted: float) -> None:
    assert value(exact_match, response, reference, **chosen) == wanted


LISTED = "A) Rome B) Paris C) Oslo"


@pytest.mark.parametrize(
    ("response", "reference", "wanted"),
    [
        ("B", "B", 1),
        ("b", "B", 1),
        ("(B)", "B", 1),
        ("B.", "(B)", 1),
        ("B) Paris", "B", 1),
        ("**B**", "B", 1),
        ("The answer is (B).", "B", 1),
        ("The correct option is B.", "b)", 1),
        (r"\boxed{B}", "B", 1),
        (r"\boxed{\text{B}}", "B", 1),
        (r"$\boxed{\textbf{(B)}}$", "B", 1),
        (r"\boxed{\text{C}}", "B", 0),
        (r"\boxed{\text{B}\text{C}}", "B", 0),
        ("#### B", "B", 1),
        ("<answer>B</answer>", "B", 1),
        ("Rome is in Italy.\nSo it must be Paris.\nB", "B", 1),
        ("The answer is B: Paris", "B", 1),
        ("A, C", "A, C", 1),
        ("C and A", ["A", "C"], 1),
        ("The answer is A, B and D.", "A,B,D", 1),
        ("A", "A, C", 0),
        ("A, C", "A", 0),
        ("C", "B", 0),
        ("The answer is B. Or maybe C.", "B", 0),
        ("B. Or maybe C.", "B", 0),
        ("B, or C", "B", 0),
        ("The answer is B, because C is wrong.", "B", 1),
        ("The answer is B (Paris).", "B", 1),
        ("a) Rome b) Paris c) Oslo", "A", 0),
        ("A - Rome B - Paris", "A", 0),
        ("", "B", 0),
        ("B or C", "B", 0),
        ("The answer is B or C.", "B", 0),
        ("The answer is B. The answer is C.", "B", 0),
        ("The answer is C. The answer is B.", "B", 0),
        ("A\nB", "B", 0),
        (LISTED, "B", 0),
        (LISTED, "A", 0),
        (f"{LISTED}\nB", "B", 1),
        (LISTED.replace(" B", "\nB").replace(" C", "\nC"), "C", 0),
        ("B B B B because Paris", "B", 0),
        ("A good choice would be Paris", "A", 0),
        ("I am sure", "I", 0),
    ],
)
def test_multiple_choice(response: str, reference: Any, wanted: float) -> None:
    assert value(multiple_choice, response, reference) == wanted


@pytest.mark.parametrize("choices", [["Rome", "Paris"], {"A": "Rome", "b": "Paris"}])
def test_multiple_choice_knows_the_texts_of_the_choices(choices: Any) -> None:
    assert value(multiple_choice, "The answer is Paris.", "B", choices=choices) == 1
    assert value(multiple_choice, "Paris", "Paris", choices=choices) == 1
    assert value(multiple_choice, "B) Rome", "B", choices=choices) == 0
    assert value(multiple_choice, "Rome", "B", choices=choices) == 0
    given = sample("The answer is Paris.", "B", metadata={"choices": choices})
    assert multiple_choice.score(given).value == 1


GOLD = "The quick brown fox jumps over the lazy dog while the cat sleeps"


@pytest.mark.parametrize("measure", text_similarity.MEASURES)
def test_text_similarity_is_one_for_the_reference_and_falls_with_every_change(measure: str) -> None:
    steps = [
        GOLD,
        GOLD.replace("quick", "slow"),
        "The quick brown fox jumps",
        "Interest rates were raised by a quarter point",
        "",
    ]
    found = [value(text_similarity, step, GOLD, measure=measure) for step in steps]
    assert found[0] == 1.0
    assert found[-1] == 0.0
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    ("response", "at_most"),
    [
        (" ".join(sorted(GOLD.split())), 0.35),
        ("fox dog cat", 0.15),
        (f"{'Well, let me think about this at length. ' * 20}{GOLD}", 0.0),
        (GOLD * 20, 0.0),
        ("Interest rates were raised by a quarter point", 0.0),
    ],
)
def test_text_similarity_gives_little_for_keywords_length_and_other_texts(
    response: str, at_most: float
) -> None:
    assert value(text_similarity, response, GOLD) <= at_most


def test_text_similarity_takes_the_nearest_reference_and_words_of_other_scripts() -> None:
    assert value(text_similarity, "猫がマットに座る", ["犬が走る", "猫がマットに座る。"]) == 1.0
    assert value(text_similarity, "<think>no</think>yes indeed", "Yes, indeed!") == 1.0


def test_text_similarity_compares_what_stands_in_answer_tags() -> None:
    assert value(text_similarity, f"Let me see.\n<answer>{GOLD}</answer>", GOLD) == 1.0
    assert value(text_similarity, f"<answer>{GOLD}</answer><answer>Rates were raised</answer>", GOLD) < 1.0


def test_rouge_l_is_the_textbook_formula() -> None:
    # lcs("police killed the gunman", "police kill the gunman") = 3 words of 4 and 4.
    assert text_similarity.rouge_l("police kill the gunman", "police killed the gunman") == 0.75


SCHEMA = {
    "type": "object",
    "required": ["age"],
    "additionalProperties": False,
    "properties": {"age": {"$ref": "#/$defs/age"}, "born": {"type": "string", "format": "date"}},
    "$defs": {"age": {"type": "integer", "minimum": 0}},
}


@pytest.mark.parametrize(
    ("response", "wanted"),
    [
        ('{"age": 42}', 1),
        ('{"age": 42.0, "born": "1984-02-29"}', 1),
        ('```json\n{"age": 42}\n```', 1),
        ('Here it is:\n```\n{"age": 42}\n```\nDone.', 1),
        ('<think>{"age": -1}</think>{"age": 42}', 1),
        ('```json\n{"age": 42}\n```\n```json\n{"age": 42}\n```', 1),
        ('```json\n{"age": 42}\n```\n```json\n{"age": 41}\n```', 0),
        ('```json\n{"age": 42}\n```\n```json\n{"age"\n```', 0),
        ('The age is {"age": 42}', 0),
        ('{"age": 42} {"age": 42}', 0),
        ('{"age": -1}', 0),
        ('{"age": "42"}', 0),
        ('{"age": 42, "born": "1985-02-29"}', 0),
        ('{"age": 42, "extra": 1}', 0),
        ('{"age": 42, "age": 43}', 0),
        ('{"age": NaN}', 0),
        ('{"age": 1e999}', 0),
        ('{"age": "\\ud800"}', 0),
        ('{"age": ' + "9" * 5000 + "}", 0),
        ("[" * 5000 + "]" * 5000, 0),
        ("{}", 0),
        ("", 0),
        ("age 42 integer object required", 0),
        (json.dumps(SCHEMA), 0),
    ],
)
def test_json_schema(response: str, wanted: float) -> None:
    assert value(json_schema, response, SCHEMA) == wanted
    assert value(json_schema, response, json.dumps(SCHEMA)) == wanted
    assert value(json_schema, response, "anything", schema=SCHEMA) == wanted


def test_json_schema_compares_with_the_expected_value() -> None:
    for reference in (
        {"schema": SCHEMA, "expected": {"age": 42}},
        json.dumps({"schema": True, "expected": {"age": 42}}),
    ):
        assert value(json_schema, '{"age": 42.0}', reference) == 1
        assert value(json_schema, '{"age": 41}', reference) == 0
    assert value(json_schema, '{"age": 1}', {"age": 1}, schema=SCHEMA, compare=True) == 1
    assert value(json_schema, '{"age": 1}', {"age": True}, schema=True, compare=True) == 0


CALL = {"name": "book", "arguments": {"city": "Rome", "nights": 2, "tags": ["a", "b"]}}
OTHER = {"name": "pay", "arguments": {}}


def calls(*made: Any) -> str:
    return "".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>\n" for call in made)


def changed(**arguments: Any) -> dict[str, Any]:
    return {"name": "book", "arguments": {**CALL["arguments"], **arguments}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("response", "reference", "chosen", "wanted"),
    [
        (calls(CALL), CALL, {}, 1),
        (calls(changed(nights=2.0)), CALL, {}, 1),
        (json.dumps(CALL), CALL, {}, 1),
        (json.dumps([CALL, OTHER]), [CALL, OTHER], {}, 1),
        (f"```json\n{json.dumps(CALL)}\n```", json.dumps(CALL), {}, 1),
        (calls({"function": {"name": "book", "arguments": json.dumps(CALL["arguments"])}}), [CALL], {}, 1),
        (calls({"name": "pay"}), OTHER, {}, 1),
        (calls({"name": "pay", "parameters": {}}), {"tool_calls": [OTHER]}, {}, 1),
        (calls(changed(nights=3)), CALL, {}, 0),
        (calls(changed(nights=True)), changed(nights=1), {}, 0),
        (calls(changed(nights="2")), CALL, {}, 0),
        (calls({**CALL, "name": "cancel"}), CALL, {}, 0),
        (calls(CALL, CALL), CALL, {}, 0),
        (calls(CALL, OTHER), CALL, {}, 0),
        (calls(OTHER, CALL), [CALL, OTHER], {}, 0),
        (calls(OTHER, CALL), [CALL, OTHER], {"any_order": True}, 1),
        (calls(OTHER, OTHER), [CALL, OTHER], {"any_order": True}, 0),
        (calls(changed(tags=["b", "a"])), CALL, {}, 0),
        (calls(changed(tags=["b", "a"])), CALL, {"unordered": ["tags"]}, 1),
        (calls(changed(tags=["b", "a"])), CALL, {"unordered": ["*"]}, 1),
        (calls(changed(tags=["b", "b"])), CALL, {"unordered": ["*"]}, 0),
        (calls(changed(city=" rome")), CALL, {"ignore_case": True}, 1),
        (calls(changed(extra=1)), CALL, {}, 0),
        (calls(changed(extra=1)), CALL, {"ignore_extra": True}, 1),
        (calls(changed(nights=3)), CALL, {"partial": True}, (1 + 2 / 3) / 2),
        (calls(CALL, OTHER), CALL, {"partial": True}, 0.5),
        (calls(OTHER), CALL, {"partial": True}, 0),
        ("", CALL, {"partial": True}, 0),
        ("I would book Rome for 2 nights", CALL, {}, 0),
        ('book({"city": "Rome"})', CALL, {}, 0),
        ("<tool_call>{", CALL, {}, 0),
        ("<tool_call>" + json.dumps(CALL), CALL, {}, 0),
        ("<tool_call>" * 1000, CALL, {}, 0),
        (calls(CALL) * 100, CALL, {}, 0),
        ("No call is needed.", {"tool_calls": []}, {}, 1),
        (calls(OTHER), {"tool_calls": []}, {}, 0),
    ],
)
def test_tool_call(response: str, reference: Any, chosen: dict[str, Any], wanted: float) -> None:
    assert value(tool_call, response, reference, **chosen) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "turn",
    [
        {
            "tool_calls": [
                {"type": "function", "function": {"name": "book", "arguments": json.dumps(CALL["arguments"])}}
            ]
        },
        {"tool_calls": [{"function": CALL}]},
        {"content": [{"toolUse": {"toolUseId": "1", "name": "book", "input": CALL["arguments"]}}]},
        {"content": [{"type": "tool_use", "name": "book", "input": CALL["arguments"]}]},
    ],
)
def test_tool_call_reads_the_calls_of_the_turn(turn: dict[str, Any]) -> None:
    given = row("")
    given["messages"][-1] = {"role": "assistant", **turn}
    given["reference_answer"] = CALL
    answer = json.loads(tool_call.handler([given])["body"])
    assert answer[0]["aggregate_reward_score"] == 1.0


@pytest.mark.parametrize(
    ("response", "chosen", "wanted"),
    [
        ("<think>a</think>\n<answer>b</answer>", {}, 1),
        ("<think>a</think> so <answer>b</answer>", {}, 0),
        ("<think></think><answer>b</answer>", {}, 0),
        ("<think>a</think><answer>b</answer><answer>c</answer>", {}, 0),
        ("<think>a<answer>b</answer></think>", {}, 0),
        ("<answer>b</answer>", {"tags": ["answer"]}, 1),
        ("## Summary\ntext\n**Risks**\ntext", {"tags": [], "sections": ["Summary", "Risks"]}, 1),
        ("Risks:\ntext\nSummary:\ntext", {"tags": [], "sections": ["Summary", "Risks"]}, 0),
        ("## Summary\n## Risks", {"tags": [], "sections": ["Summary", "Risks"]}, 0),
        ("## Summary\ntext\n## Risks\n\n---\n", {"tags": [], "sections": ["Summary", "Risks"]}, 0),
        ("## Summary\n### Part\ntext\n## Risks\n- one", {"tags": [], "sections": ["Summary", "Risks"]}, 1),
        ("Summary:\nSummary:\nRisks:", {"tags": [], "sections": ["Summary", "Risks"]}, 0),
        ("one two three", {"tags": [], "length": {"max": 3}}, 1),
        ("one two three", {"tags": [], "length": {"min": 4, "max": 9}}, 0),
        ("one two three", {"tags": [], "length": {"max": 12, "unit": "characters"}}, 0),
        ("a\n\nb", {"tags": [], "length": {"max": 2, "unit": "lines"}}, 1),
        ("Grüße aus Köln, 42!", {"tags": [], "script": "latin"}, 1),
        ("Привет", {"tags": [], "script": "latin"}, 0),
        ("Привет", {"tags": [], "script": "cyrillic"}, 1),
        ("猫がマットに座る", {"tags": [], "script": "japanese"}, 1),
        ("猫がマットに座る", {"tags": [], "script": "chinese"}, 0),
        ("猫坐在垫子上", {"tags": [], "script": "chinese"}, 1),
        ("42", {"tags": [], "script": "latin"}, 0),
        ("one two three", {"length": {"max": 3}}, 0.5),
        ("one two three", {"length": {"max": 3}, "all": True}, 0),
    ],
)
def test_format(response: str, chosen: dict[str, Any], wanted: float) -> None:
    assert value(format, response, **chosen) == wanted


def test_combine_weighs_configures_and_gates_its_parts() -> None:
    def combined(response: str, parts: dict[str, Any], reference: Any = "42") -> float:
        return value(combine, response, reference, parts=parts)

    tags = {"weight": 1, "options": {"tags": ["answer"]}}
    assert combined("<answer>42</answer>", {"exact_match": 3, "format": tags}) == 1.0
    assert combined("The answer is 42", {"exact_match": 3, "format": tags}) == 0.75
    assert combined("The answer is 42", {"exact_match": 3, "format": {**tags, "gate": 1}}) == 0.0
    assert combined("The answer is 42", {"math_answer": 1, "exact_match": 1}) == 1.0


def test_combine_takes_refinements_from_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARD_CONFIG", '{"parts": {"exact_match": 0, "format": 1}}')
    refined = {"metadata": {"reward": {"format": {"tags": [], "length": {"max": 1}}}}}
    (item,) = json.loads(combine.handler([row("42", "42", **refined)])["body"])
    assert item["aggregate_reward_score"] == 1.0
    assert {m["name"]: m["type"] for m in item["metrics_list"]}["format"] == "Reward"


UNUSABLE: list[tuple[Any, Any, dict[str, Any]]] = [
    *[
        (reward, reference, {})
        for reward in (exact_match, multiple_choice, text_similarity, json_schema, tool_call)
        for reference in (None, "", [], {}, {"x": 1j.real})
        if (reward, reference) not in ((json_schema, {"x": 0.0}), (tool_call, []))
    ],
    (exact_match, "#### 1\n#### 2", {}),
    (exact_match, "(", {"mode": "regex"}),
    (exact_match, "a" * 1001, {"mode": "regex"}),
    (exact_match, "a", {"mode": "fuzzy"}),
    (exact_match, "a", {"unmarked": "any"}),
    (multiple_choice, "Paris", {}),
    (multiple_choice, "B", {"choices": ["x"] * 11}),
    (multiple_choice, "B", {"choices": 3}),
    (multiple_choice, "B", {"choices": {"Z": "x"}}),
    (text_similarity, "...", {}),
    (text_similarity, [1], {}),
    (text_similarity, "a", {"measure": "bleu"}),
    (text_similarity, "a", {"floor": 1.0}),
    (json_schema, "not a schema", {}),
    (json_schema, {"type": "nothing"}, {}),
    (json_schema, {"pattern": "("}, {}),
    (json_schema, {"pattern": "(?=a)"}, {}),
    (json_schema, {"$ref": "#/missing"}, {}),
    (json_schema, {"description": "x" * 70_000}, {}),
    (tool_call, "book Rome", {}),
    (tool_call, {"name": 7}, {}),
    (tool_call, {"name": "book", "arguments": "Rome"}, {}),
    (tool_call, [OTHER] * 65, {}),
    (format, None, {"tags": []}),
    (format, None, {"tags": ["a b"]}),
    (format, None, {"tags": [], "sections": [""]}),
    (format, None, {"tags": [], "length": {"min": 3}}),
    (format, None, {"tags": [], "length": {"max": 3, "unit": "tokens"}}),
    (format, None, {"tags": [], "script": "english"}),
    (combine, "42", {}),
    (combine, "42", {"parts": {"combine": 1}}),
    (combine, "42", {"parts": {"os": 1}}),
    (combine, "42", {"parts": {"kit": 1}}),
    (combine, "42", {"parts": {"../x": 1}}),
    (combine, "42", {"parts": {"format": "much"}}),
    (combine, "42", {"parts": {"format": {"wieght": 1}}}),
    (combine, "42", {"parts": {"format": -1}}),
    (combine, None, {"parts": {"exact_match": 1}}),
]


@pytest.mark.parametrize(("reward", "reference", "chosen"), UNUSABLE)
def test_an_unusable_reference_or_configuration_is_an_error_never_a_score(
    reward: Any, reference: Any, chosen: dict[str, Any]
) -> None:
    with pytest.raises(RewardError):
        value(reward, '{"x": 1}', reference, **chosen)


@pytest.mark.parametrize("reward", [exact_match, multiple_choice, text_similarity, json_schema, tool_call])
def test_an_unusable_reference_is_an_error_on_the_wire(reward: Any) -> None:
    (item,) = json.loads(reward.handler([row("x")])["body"])
    assert item["aggregate_reward_score"] == 0.0
    assert {"name": "error", "value": 1.0, "type": "Metric"} in item["metrics_list"]
