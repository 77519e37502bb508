r"""Mathematics: 1 when every final answer that the solution states equals the reference, else 0.

The final answer is what stands in ``\boxed{}``, after ``####``, in ``<answer>`` tags, or behind "final
answer", "the answer is", "Answer:"; without any of these, the only candidate of the last sentence. Working,
keywords, length and a repetition of the question earn nothing. Two different final answers earn nothing,
whichever comes first; neither does "42, or maybe 41", "42? No. It is 41.", "41 = 42" or "42 -> 41".

Equality is exact. Numbers are compared as fractions, so 0.5, 1/2, ``\frac12`` and 50% are one number; "42."
is 42; "1,234" and "1 234" are 1234; a list with spaces ("32, 349") is not a number.

* Percentages: 42% equals 0.42, its value, and 42, the number before the sign; 42 does not equal 0.42.
* Decimal commas are read only when the reference has one: for the reference "1,5" the answer 1.5 is right;
  for the reference "1.5" the answer "1,5" earns nothing and is reported as undecided.
* Rounding: a decimal with six places or more stands for what it is the rounding of, 0.333333 for 1/3. With
  fewer places it earns nothing and is reported as undecided: write the reference as you want it answered.
* Units: known units and currencies are converted ("50 cents" is $0.50) and must agree when both sides have
  one; other words behind a number are ignored, and a number without a unit is compared as it stands. A symbol
  that may be a letter, as in ``\boxed{5 m}``, is a unit beside a plain number; "5 hours 30 minutes" is one.
* Times and ratios ("3:30 PM", "3:2") are equal as such; a ratio in other terms is reported as undecided.
* Sets have no order, tuples and intervals do, and brackets of intervals count.

What cannot be read exactly (roots, expressions, inequalities, matrices) is decided by math-verify on the
extracted answer alone, in a process that is killed at the deadline. Expressions that are plainly too large
(towers of powers, factorials above 500!, thousands of terms) are not evaluated.

Metrics: ``undecided`` is 1 beside a value of 0 when the answer is neither right nor certainly wrong: nearly
equal, too large, several candidates in prose, or right in one of two places. A reference that cannot be read
is an outcome of its own, ``error`` and ``reference_unreadable``, never a wrong answer.

Inputs: ``reference_answer``, a value ("18", ``\frac{3}{4}``), a solution that ends in one ("... #### 18"), or
an object with one under "answer". There are no options.

Example: the response "48 / 2 = 24, so 48 + 24 = 72 clips.\n#### 72" with the reference "72" gives
``Score(1.0, {"undecided": 0.0})``; with the reference "70" it gives ``Score(0.0, {"undecided": 0.0})``.
"""

import functools
import json
import threading

from reward_functions._math import symbolic
from reward_functions._math.verdict import Open, Verdict, decide, exact
from reward_functions.kit import Sample, Score, serve
from reward_functions.kit.answers import REFERENCE_KEYS
from reward_functions.kit.types import Reference

SAMPLE_SECONDS = 0.25
"""For one symbolic answer. The slowest legitimate ones measured take a third of it."""

_UNREADABLE = Verdict(None, "there is no reference answer to compare with", unreadable=True)
_last = threading.local()


def score(sample: Sample) -> Score:
    """The verdict on a sample; may be slow on hostile input, so call it where it can be killed."""
    found = _exact(sample)
    return _score(decide(found) if isinstance(found, Open) else found)


def quick(sample: Sample) -> Score | None:
    """The verdict when exact arithmetic gives one, in time proportional to the sample's length."""
    found = _exact(sample)
    return None if isinstance(found, Open) else _score(found)


def key(sample: Sample) -> str | None:
    """What a symbolic verdict depends on: the extracted answers and the reference."""
    found = _exact(sample)
    if not isinstance(found, Open) or symbolic.too_large(found.reference.text):
        return None
    if any(symbolic.too_large(answer.text) for answer in found.answers):
        return None
    return json.dumps([found.reference.text, found.answers, found.another_right])


def glance(response: str, reference: str) -> Score | None:
    """The same from the two texts alone."""
    reference = reference.strip()
    found = exact(response, reference) if reference else _UNREADABLE
    return None if isinstance(found, Open) else _score(found)


def _exact(sample: Sample) -> Verdict | Open:
    """The exact step, done once for the calls that the kit makes about one sample."""
    known = getattr(_last, "step", None)
    if known is not None and known[0] is sample:
        found: Verdict | Open = known[1]
        return found
    reference = _reference(sample.reference)
    found = exact(sample.response, reference) if reference else _UNREADABLE
    _last.step = (sample, found)
    return found


def _reference(reference: Reference) -> str:
    if isinstance(reference, dict):
        reference = next(
            (reference[name] for name in REFERENCE_KEYS if reference.get(name) not in (None, "")), ""
        )
    if isinstance(reference, list):
        reference = reference[0] if len(reference) == 1 else ""
    if isinstance(reference, int | float) and not isinstance(reference, bool):
        reference = repr(reference)
    return reference.strip() if isinstance(reference, str) else ""


@functools.lru_cache(maxsize=256)
def _score(verdict: Verdict) -> Score:
    if verdict.unreadable:
        return Score(0.0, {"error": 1.0, "reference_unreadable": 1.0}, verdict.why)
    value = 1.0 if verdict.correct else 0.0
    return Score(value, {"undecided": 1.0 if verdict.correct is None else 0.0}, verdict.why)


handler = serve(
    score,
    name="math_answer",
    quick=quick,
    key=key,
    glance=glance,
    warm_up=symbolic.warm_up,
    sample_deadline=SAMPLE_SECONDS,
    memory_mb=512,
)
