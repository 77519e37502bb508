"""The quickest path accepts nothing that the typed rows refuse, and is taken for ordinary rows."""

import itertools
import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets.samples import right
from tunestep.datasets import quick
from tunestep.datasets.formats import FORMATS
from tunestep.datasets.quick import QUICK
from tunestep.datasets.rules import diagnose

_texts = st.sampled_from(
    [
        b'""',
        b'" "',
        rb'"\u0020\n"',
        '"\u3000"'.encode(),
        '"\u00a0\u2003"'.encode(),
        rb'"\u2003"',
        b'"a"',
        rb'"\u0061"',
        b'"a/"',
        rb'"a\/"',
        '"\u4e2d"'.encode(),
        rb'"\u4e2d"',
        '"\u3042 is it"'.encode(),
        b'"twenty letters and then"',
        rb'"twenty letters and th\u0065n"',
        b'"twenty letters and then."',
        b'"\xff"',
        b'"twenty letters and then\xc3"',
        rb'"\ud800"',
        b"1",
        b"12345678901234567890",
        b"null",
        b'["a"]',
        b"{}",
    ]
)
_FRAMES: dict[str, bytes] = {
    "chat": b'{"messages": [{"role": "user", "content": %b}, {"role": "assistant", "content": %b}]}',
    "prompt_completion": b'{"prompt": %b, "completion": %b}',
    "preference": b'{"prompt": "Which of them?", "chosen": %b, "rejected": %b}',
    "rl": b'{"prompt": [{"role": "user", "content": %b}], "reward_model": {"ground_truth": %b}}',
}


def _value(line: bytes) -> Any:
    try:
        line.decode()
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, ValueError):
        return None


def _utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(_FRAMES)), _texts, _texts)
def test_no_text_passes_that_the_rules_refuse(name: str, one: bytes, other: bytes) -> None:
    line = _FRAMES[name] % (one, other)
    for technique in FORMATS[name].techniques:
        if QUICK[name].passes(line, technique) is not None and _utf8(line):
            assert diagnose(_value(line), (name,), technique) == (name, [])


@pytest.mark.parametrize("name", sorted(QUICK))
def test_ordinary_rows_take_the_quickest_path(name: str) -> None:
    row = right(name)
    if name == "preference":
        row |= {"chosen": "A first answer.", "rejected": "Another one."}
    line = json.dumps(row).encode()

    assert len(QUICK[name].passes(line + b"\n" + line, FORMATS[name].techniques[0]) or ()) == 2


def test_no_white_space_begins_as_a_letter_does() -> None:
    begins = {b'"' + chr(point).encode()[:1] for point in _white_space()}

    assert begins.isdisjoint(begin for (begin,) in quick._LETTERS)
    assert len(quick._LETTERS) > 100


def _white_space() -> list[int]:
    points = itertools.chain(range(0xD800), range(0xE000, sys.maxunicode + 1))
    return [point for point in points if chr(point).isspace()]


def test_answers_that_differ_only_in_how_they_are_written_are_equal() -> None:
    line = rb'{"prompt": "Who?", "chosen": "It is the caf\u00e9.", "rejected": "It is the caf\u00E9."}'
    assert QUICK["preference"].passes(line, "DPO") is None
    line = rb'{"prompt": "Who?", "chosen": "\u0049t is all.", "rejected": "It is all."}'
    assert QUICK["preference"].passes(line, "DPO") is None
    line = rb'{"prompt": "Who?", "chosen": "It is the first\n.", "rejected": "It is the second\n."}'
    assert QUICK["preference"].passes(line, "DPO") is not None
