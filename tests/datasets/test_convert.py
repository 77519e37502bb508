"""Conversions: what comes back is what went in, and what has no place elsewhere is refused."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets.samples import checked, lines, right, written
from tunestep import datasets
from tunestep.datasets.convert import Inconvertible, convert
from tunestep.datasets.convert_files import convert_source
from tunestep.datasets.formats import FORMATS

_text = st.text(min_size=1, max_size=20).filter(str.strip)


@st.composite
def _talk(draw: st.DrawFn) -> list[dict[str, Any]]:
    head = [{"role": "system", "content": draw(_text)}] if draw(st.booleans()) else []
    turns = [
        {"role": role, "content": draw(_text)}
        for _ in range(draw(st.integers(1, 3)))
        for role in ("user", "assistant")
    ]
    return head + turns


@settings(deadline=None)
@given(_talk())
@pytest.mark.parametrize("other", ["prompt_completion", "nova_conversation"])
def test_chat_comes_back_from_other_formats_unchanged(other: str, talk: list[dict[str, Any]]) -> None:
    row = {"messages": talk}

    assert convert(convert(row, "chat", other), other, "chat") == row


@settings(deadline=None)
@given(_text, _text)
def test_prompt_and_completion_come_back_unchanged(prompt: str, completion: str) -> None:
    row = {"prompt": prompt, "completion": completion}
    for other in ("chat", "nova_conversation"):
        assert convert(convert(row, "prompt_completion", other), other, "prompt_completion") == row


@settings(deadline=None)
@given(_talk(), _text, _text)
def test_preferences_come_back_unchanged(talk: list[dict[str, Any]], better: str, worse: str) -> None:
    asked = talk[:-1]
    plain = len(asked) == 1
    row = {
        "prompt": asked[0]["content"] if plain else asked,
        "chosen": better if plain else [{"role": "assistant", "content": better}],
        "rejected": worse if plain else [{"role": "assistant", "content": worse}],
    }

    assert convert(convert(row, "preference", "nova_preference"), "nova_preference", "preference") == row


@settings(deadline=None)
@given(_talk(), st.one_of(st.integers(), _text, st.dictionaries(_text, _text, min_size=1)))
def test_reinforcement_rows_come_back_with_what_rewards_see(talk: list[dict[str, Any]], truth: Any) -> None:
    row = {
        "prompt": talk[:-1],
        "reward_model": {"style": "rule", "ground_truth": truth},
        "data_source": "sums",
        "ability": "math",
        "extra_info": {"index": 3},
    }

    assert convert(convert(row, "rl", "nova_rl"), "nova_rl", "rl") == row


@pytest.mark.parametrize("source", FORMATS)
def test_what_is_converted_passes_the_check_of_its_new_format(source: str, tmp_path: Path) -> None:
    for target in FORMATS[source].convertible:
        path = written(tmp_path, lines([right(source)] * 40))
        converted: list[bytes] = []
        outcome = convert_source(datasets.local(path), target, converted.append)

        assert (outcome.rows, outcome.left) == (40, 0)
        assert checked(written(tmp_path, b"".join(converted), "converted.jsonl"), target).ok


@pytest.mark.parametrize(("source", "index"), [("chat", 2), ("nova_conversation", 1)])
def test_rows_with_tools_or_images_are_refused_rather_than_cut(source: str, index: int) -> None:
    for target in FORMATS[source].convertible:
        with pytest.raises(Inconvertible):
            convert(right(source, index), source, target)


def test_a_wrong_row_is_left_out_with_its_line_and_rule(tmp_path: Path) -> None:
    path = written(tmp_path, lines([right("chat"), {"messages": []}, right("chat")]))
    outcome = convert_source(datasets.local(path), "nova_conversation", lambda line: None)

    assert (outcome.rows, outcome.left) == (2, 1)
    assert (outcome.first[0].line, "NO_MESSAGES" in outcome.first[0].reason) == (2, True)


def test_formats_of_different_purposes_do_not_convert() -> None:
    with pytest.raises(Inconvertible, match="cannot become"):
        convert(right("preference"), "preference", "chat")
