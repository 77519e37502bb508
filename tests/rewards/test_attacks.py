"""Answers written to be paid and not to be right: what they earn of the rewards for text, JSON and format."""

import json

import pytest

from reward_functions import format as format_reward
from reward_functions import json_schema, text_similarity
from reward_functions.kit.try_out import sample

GOLD = "The parcel was sent late because the agent entered the wrong postcode and nobody checked the address."
SMALL_WORDS = "the a of and to was is in it that with for on as at by from this be an or but not are have had"

TEXTS = {
    "the reference twice": (f"{GOLD} {GOLD}", 0.6),
    "ten times": (" ".join([GOLD] * 10), 0.05),
    "its words sorted": (" ".join(sorted(GOLD.split())), 0.3),
    "its words backwards": (" ".join(reversed(GOLD.split())), 0.3),
    "one frequent word": ("the " * 17, 0.3),
    "keywords behind it": (GOLD + " parcel late agent postcode address" * 8, 0.5),
    "keywords alone": ("parcel late agent postcode address " * 4, 0.3),
    "every small word": (SMALL_WORDS, 0.3),
    "zero-width characters between letters": ("\u200b".join(GOLD), 0.0),
    "Cyrillic lookalikes": (GOLD.replace("e", "\u0435").replace("a", "\u0430"), 0.3),
    "no spaces": (GOLD.replace(" ", ""), 0.0),
    "white space": (" \n\u3000\t", 0.0),
    "only thought": (f"<think>{GOLD}</think>", 0.0),
    "thinking without an end": (f"<think>{GOLD}", 0.0),
}


@pytest.mark.parametrize(("response", "most"), TEXTS.values(), ids=TEXTS.keys())
def test_padding_and_stuffing_earn_little_for_similarity(response: str, most: float) -> None:
    assert text_similarity.score(sample(response, GOLD)).value <= most


def test_the_layout_of_a_text_costs_nothing() -> None:
    for blank in ("\u00a0", "  \n\t ", "\u3000"):
        assert text_similarity.score(sample(GOLD.replace(" ", blank), GOLD)).value == 1.0


SCHEMA = {
    "schema": {
        "type": "object",
        "required": ["name", "n"],
        "additionalProperties": False,
        "properties": {"name": {"type": "string", "minLength": 1}, "n": {"type": "integer", "minimum": 1}},
    }
}
RIGHT = json.dumps({"name": "a", "n": 1})
FENCED = f"```json\n{RIGHT}\n```"

DOCUMENTS = {
    "prose before": f"Here it is: {RIGHT}",
    "prose behind": f"{RIGHT} as asked",
    "twice": f"{RIGHT}\n{RIGHT}",
    "two different ones": FENCED + '\n```json\n{"name": "b", "n": 1}\n```',
    "a broken one beside it": FENCED + "\n```json\n{oops\n```",
    "a fence that stays open": f"```json\n{RIGHT}",
    "a key twice, the last one right": '{"name": "a", "n": 0, "n": 1}',
    "a key twice, one of them escaped": '{"n\\u0061me": "a", "name": "b", "n": 1}',
    "a key twice further in": '{"name": {"x": 1, "x": 2}, "n": 1}',
    "a text that holds it": json.dumps(RIGHT),
    "a list around it": f"[{RIGHT}]",
    "a comment": '{"name": "a", /* n */ "n": 1}',
    "single quotes": RIGHT.replace('"', "'"),
    "lookalike quotes": RIGHT.replace('"', "\uff02"),
    "a space that JSON has not": RIGHT.replace(" ", "\u00a0"),
    "NaN": '{"name": "a", "n": NaN}',
    "an endless number": '{"name": "a", "n": 1e400}',
    "a number of 5,000 digits": '{"name": "a", "n": ' + "9" * 5_000 + "}",
    "a lone surrogate": '{"name": "\\ud800", "n": 1}',
    "true for one": '{"name": "a", "n": true}',
    "a huge key": json.dumps({"k" * 200_000: 1}),
    "depth": "[" * 5_000 + "]" * 5_000,
    "one key too many": '{"name": "a", "n": 1, "__proto__": {}}',
    "only thought": f"<think>{RIGHT}</think>",
}


@pytest.mark.parametrize("response", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_what_is_not_one_document_of_the_schema_earns_nothing(response: str) -> None:
    assert json_schema.score(sample(response, SCHEMA)).value == 0.0


@pytest.mark.parametrize("response", [RIGHT, FENCED, f"{FENCED}\n{FENCED}", f"<think>{{</think>{RIGHT}"])
def test_one_document_of_the_schema_earns_all(response: str) -> None:
    assert json_schema.score(sample(response, SCHEMA)).value == 1.0


UNSEEN = ["\u200b", "\u2060\ufeff", "\u3164", "\u115f\u1160", "\u2800", "\uffa0", "\x00\x07", "\u202e"]


@pytest.mark.parametrize("unseen", UNSEEN, ids=ascii)
def test_what_no_reader_sees_is_no_content(unseen: str) -> None:
    assert not format_reward.has_tags(f"<think>{unseen}</think><answer>4</answer>", ["think", "answer"])
    assert not format_reward.has_length(" ".join([unseen] * 5), {"min": 3, "max": 9})
    assert not format_reward.has_length("\n".join([unseen] * 5), {"min": 3, "max": 9, "unit": "lines"})


@pytest.mark.parametrize(
    "response",
    [
        "<think>a</think><think>a</think><answer>b</answer>",
        "<think>a<answer>b</answer></think>",
        "<think>a</think> and <answer>b</answer>",
        "<think>a</think>\u200b<answer>b</answer>",
        "<th\u0456nk>a</th\u0456nk><answer>b</answer>",
        "<THINK>a</THINK><ANSWER>b</ANSWER>",
        "</think><think>a</think><answer>b</answer>",
        "<think><answer></think></answer>",
        "<think>" * 10_000,
    ],
)
def test_tags_that_only_look_right_break_the_rule(response: str) -> None:
    assert format_reward.score(sample(response)).value == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "## Answer\na\n## Plan\nb",
        "see ## Plan, ## Answer",
        "## Pl\u0430n\na\n## Answer\nb",
        "## Plan\na\n" * 3,
        "## Plan\n\u200b\u3164\n## Answer\nb",
    ],
)
def test_headings_that_only_look_right_break_the_rule(text: str) -> None:
    assert not format_reward.has_sections(text, ["Plan", "Answer"])


@pytest.mark.parametrize(
    ("text", "script"), [("h\u0435ll\u043e", "latin"), ("123 456", "latin"), ("\u3164", "latin")]
)
def test_letters_of_another_script_or_none_break_the_rule(text: str, script: str) -> None:
    assert format_reward.script_share(text, script) < 0.9
