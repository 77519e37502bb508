"""Text similarity: how near the response is to the reference, from 0 to 1.

Formula: ``value = max(0, (s - floor) / (1 - floor))`` with ``s`` one of
  rouge_l   F1 over words in the order of the longest common subsequence: ``2 P R / (P + R)``,
            ``P = lcs / words of the response``, ``R = lcs / words of the reference`` (default);
  token_f1  F1 over the words as a bag, each counted as often as it occurs;
  edit      ``1 - edit distance / length of the longer``, over characters.
Words are runs of letters and digits without regard to case; Chinese, Japanese and Korean characters are words
of their own. ``floor`` (0.3) takes away what unrelated texts of one language share, so that another row's
answer, or keywords without order, earn little or nothing; words beyond the reference lower P, so that length
earns nothing. token_f1 does not see order: use it only where order does not matter.

Inputs: the response without the model's thinking, or what it puts into ``<answer>...</answer>`` (two
different answers are both compared, as one text); a reference text, an object with ``answer``, or a list of
texts, of which the nearest counts. Configuration (REWARD_CONFIG, or ``metadata.reward`` of a row):
  measure ("rouge_l"), floor (0.3, at least 0 and below 1).

A reference without a word is an error, not a score of 0.

>>> from reward_functions.kit.try_out import sample
>>> score(sample("The cat sat on the mat.", "the cat sat on the mat")).value
1.0
>>> score(sample("mat sat the cat", "the cat sat on the mat")).value < 0.3
True
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from rapidfuzz.distance import LCSseq, Levenshtein

from reward_functions.kit import RewardError, Sample, Score, options, serve
from reward_functions.kit.answers import REFERENCE_KEYS, in_tags, visible

OPTIONS: Mapping[str, Any] = {"measure": "rouge_l", "floor": 0.3}
QUICK_PRODUCT = 20_000_000
"""Largest product of the lengths compared outside of a worker: 1 ms of comparison."""

_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
_SPACE = re.compile(r"\s+")


def score(sample: Sample) -> Score:
    """See the module's text."""
    chosen = options(sample, OPTIONS)
    floor, measure = chosen["floor"], MEASURES.get(chosen["measure"])
    if measure is None or not 0 <= floor < 1:
        raise RewardError(f"measure is one of {', '.join(MEASURES)}; floor is at least 0 and below 1")
    shown = visible(sample.response)
    response = "\n".join(in_tags(shown)) or shown
    similarity = max(measure(response, text, floor) for text in references(sample))
    value = max(0.0, (similarity - floor) / (1 - floor))
    return Score(value, {"similarity": similarity})


def quick(sample: Sample) -> Score | None:
    """Comparison takes time in proportion to the product of the lengths: small ones are decided here."""
    size = sum(len(text) for text in references(sample)) * len(sample.response)
    return score(sample) if size <= QUICK_PRODUCT else None


def references(sample: Sample) -> list[str]:
    """The texts to compare with, each with a word in it; raises RewardError without any."""
    given = sample.reference
    if isinstance(given, dict):
        given = next((given[key] for key in REFERENCE_KEYS if given.get(key)), None)
    listed = given if isinstance(given, list) else [given]
    if not listed or not all(isinstance(text, str) and _WORD.search(text) for text in listed):
        raise RewardError("the reference is no text with a word in it, nor a list of such texts")
    return [str(text) for text in listed]


def words(text: str) -> list[str]:
    """The words that are compared."""
    return _WORD.findall(text.casefold())


def rouge_l(response: str, reference: str, floor: float = 0.0) -> float:
    """F1 of the longest common subsequence of words; 0 as soon as the lengths keep it from reaching floor."""
    left, right = words(response), words(reference)
    if not left or 2 * min(len(left), len(right)) <= floor * (len(left) + len(right)):
        return 0.0
    return _f1(LCSseq.similarity(left, right), len(left), len(right))


def token_f1(response: str, reference: str, floor: float = 0.0) -> float:
    """F1 of the bags of words."""
    left, right = Counter(words(response)), Counter(words(reference))
    return _f1((left & right).total(), left.total(), right.total())


def edit(response: str, reference: str, floor: float = 0.0) -> float:
    """Share of the characters that need no edit, white space and case aside."""
    left, right = (_SPACE.sub(" ", text.strip()).casefold() for text in (response, reference))
    if min(len(left), len(right)) <= floor * max(len(left), len(right)):
        return 0.0
    return Levenshtein.normalized_similarity(left, right)


def _f1(common: int, left: int, right: int) -> float:
    return 2 * common / (left + right) if left + right else 0.0


MEASURES: Mapping[str, Callable[[str, str, float], float]] = {
    "rouge_l": rouge_l,
    "token_f1": token_f1,
    "edit": edit,
}

handler = serve(score, quick=quick)
