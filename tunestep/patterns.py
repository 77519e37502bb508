"""Matching text against regular expressions that somebody else wrote, in bounded time.

Override specs may carry a ``regex_pattern``. Python's own engine backtracks, and a hostile or careless
expression could hold a function for hours, so the plain subset that such specs use is run as a set of
states: time grows with the length of the text times the size of the expression, never faster.
"""

import re
from collections.abc import Callable

MAX_PATTERN = 500
"""Longest expression that is compiled, in characters."""

MAX_STATES = 1200
"""Largest automaton; counted repetition is written out."""

_MAX_PARTS = 10_000
_MAX_NESTING = 40

_TOKEN = re.compile(
    r"(?P<count>\{(\d{1,4})(,(\d{0,4}))?\})|(?P<one>[*+?])|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*+\])|(?P<escape>\\.)"
    r"|(?P<open>\((?:\?:)?)|(?P<close>\))|(?P<bar>\|)|(?P<edge>[\^$])|(?P<dot>\.)|(?P<literal>[^\[\]{}\\])",
    re.DOTALL,
)
_ESCAPES = frozenset(r"dDwWsS.^$*+?{}[]()|/\-_:,'\"@=# tnr")
_SET_OPERATION = re.compile(r"^\[\^?\[|--|&&|~~|\|\|")
_ENDLESS = -1

Test = Callable[[str], object]


class PatternUnsupported(ValueError):  # noqa: N818 - reads like the other refusals
    """The expression is outside of the subset, or too large to run."""


class Pattern:
    """A compiled expression; matches() is like ``re.search`` with the text's own ends for ^ and $."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_PATTERN:
            raise PatternUnsupported(f"the expression has {len(pattern)} characters")
        # Each state is (character test or None, edge "^"/"$"/"", following states).
        self._states: list[tuple[Test | None, str, list[int]]] = []
        self._tokens = _tokens(pattern)
        self._at = 0
        self._parts = 0
        self._final = self._add(None, "", [])
        self._start = self._choice(self._final)
        if self._at < len(self._tokens):
            raise PatternUnsupported("a bracket is closed twice")

    def matches(self, text: str) -> bool:
        current: set[int] = set()
        for index in range(len(text) + 1):
            reached = self._closure({*current, self._start}, index == 0, index == len(text))
            if self._final in reached:
                return True
            if index == len(text):
                break
            current = {
                following
                for state in reached
                if (test := self._states[state][0]) and test(text[index])
                for following in self._states[state][2]
            }
        return False

    def _closure(self, states: set[int], first: bool, last: bool) -> set[int]:
        todo, seen = list(states), set(states)
        while todo:
            test, edge, following = self._states[todo.pop()]
            if test is None and (not edge or (first if edge == "^" else last)):
                fresh = [state for state in following if state not in seen]
                seen.update(fresh)
                todo += fresh
        return seen

    def _add(self, test: Test | None, edge: str, following: list[int]) -> int:
        if len(self._states) >= MAX_STATES:
            raise PatternUnsupported("the expression is too large")
        self._states.append((test, edge, following))
        return len(self._states) - 1

    # The parser builds backwards: every part is made with the state that follows it, and counted parts
    # are made again from the same tokens.
    def _choice(self, following: int) -> int:
        branches = [self._sequence(following)]
        while self._kind() == "bar":
            self._at += 1
            branches.append(self._sequence(following))
        return branches[0] if len(branches) == 1 else self._add(None, "", branches)

    def _sequence(self, following: int) -> int:
        parts: list[tuple[int, int, int]] = []
        while self._kind() not in ("", "bar", "close"):
            start = self._at
            self._skip_atom()
            parts.append((start, *self._quantifier()))
        end = self._at
        for start, low, high in reversed(parts):
            following = self._repeat(start, low, high, following)
        self._at = end
        return following

    def _repeat(self, start: int, low: int, high: int, following: int) -> int:
        if high == _ENDLESS:
            loop = self._add(None, "", [following])
            self._states[loop][2].append(self._atom(start, loop))
            following = loop
        for _ in range(max(high - low, 0)):
            following = self._add(None, "", [self._atom(start, following), following])
        for _ in range(low):
            following = self._atom(start, following)
        return following

    def _atom(self, start: int, following: int) -> int:
        self._at = start
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise PatternUnsupported("the expression is too large")
        kind, text = self._tokens[start]
        if kind == "open":
            self._at += 1
            return self._choice(following)
        if kind == "edge":
            return self._add(None, text, [following])
        return self._add(_test(kind, text), "", [following])

    def _skip_atom(self) -> None:
        kind, text = self._tokens[self._at]
        if kind in ("one", "count"):
            raise PatternUnsupported(f"nothing to repeat before {text}")
        self._at += 1
        depth = 1 if kind == "open" else 0
        while depth:
            if not (kind := self._kind()):
                raise PatternUnsupported("a bracket is not closed")
            depth += {"open": 1, "close": -1}.get(kind, 0)
            self._at += 1

    def _quantifier(self) -> tuple[int, int]:
        if self._kind() not in ("one", "count"):
            return 1, 1
        kind, text = self._tokens[self._at]
        self._at += 1
        if self._kind() in ("one", "count"):
            raise PatternUnsupported(f"two repetitions in a row at {text}")
        if kind == "one":
            return {"*": (0, _ENDLESS), "+": (1, _ENDLESS), "?": (0, 1)}[text]
        low, comma, high = text[1:-1].partition(",")
        bounds = int(low), int(high) if high else (_ENDLESS if comma else int(low))
        if _ENDLESS < bounds[1] < bounds[0]:
            raise PatternUnsupported(f"{text} counts backwards")
        return bounds

    def _kind(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""


def _tokens(pattern: str) -> list[tuple[str, str]]:
    tokens, at, depth = [], 0, 0
    while at < len(pattern):
        found = _TOKEN.match(pattern, at)
        if found is None or pattern.startswith("(?", at) != (found[0] == "(?:"):
            raise PatternUnsupported(f"{pattern[at : at + 10]!r} is outside of the subset")
        tokens.append((str(found.lastgroup), found[0]))
        depth += {"open": 1, "close": -1}.get(tokens[-1][0], 0)
        if depth > _MAX_NESTING:
            raise PatternUnsupported("the brackets are nested too deep")
        at = found.end()
    return tokens


def _test(kind: str, text: str) -> Test:
    if kind == "literal":
        return text.__eq__
    if kind == "escape" and text[1] not in _ESCAPES:
        raise PatternUnsupported(f"{text} is outside of the subset")
    if kind == "set" and _SET_OPERATION.search(text):
        raise PatternUnsupported(f"{text} means different things in different dialects")
    try:
        return re.compile(text).fullmatch
    except re.error as fault:
        raise PatternUnsupported(f"{text}: {fault}") from None
