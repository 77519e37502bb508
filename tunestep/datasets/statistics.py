"""What the report says about a channel beside its faults, gathered block by block."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from tunestep.datasets.hashes import RowHashes
from tunestep.datasets.lengths import LengthCounter, LengthReport
from tunestep.datasets.shapes import Lengths

_MOST_SOURCES = 10_000


class BiasReport(msgspec.Struct, kw_only=True, frozen=True):
    """Lengths of chosen and rejected answers over all pairs: a model may learn length instead of quality.

    ``ratio`` is the mean length of the chosen answers over that of the rejected ones; ``chosen_longer`` the
    share of pairs in which the chosen answer is the longer one.
    """

    pairs: int
    ratio: float
    chosen_longer: float


class Statistics:
    """Counts over the rows of one channel. Names of sources are counted and never given out."""

    def __init__(self, sequence_length: int) -> None:
        self.hashes = RowHashes()
        self._lengths = LengthCounter(sequence_length)
        self._sources: Counter[str] = Counter()
        self._pairs = self._longer = self._chosen = self._rejected = 0

    def add(self, lengths: list[Lengths]) -> None:
        """Take in the lengths of rows."""
        if not lengths:
            return
        whole, chosen, rejected, sources = zip(*lengths, strict=True)
        self._lengths.add(whole)
        if lengths[0].chosen:
            self._pairs += len(lengths)
            self._chosen += sum(chosen)
            self._rejected += sum(rejected)
            self._longer += sum(map(int.__gt__, chosen, rejected))
        if sources[0] or any(sources):
            self._add_sources(sources)

    def _add_sources(self, sources: Iterable[str]) -> None:
        self._sources.update(filter(None, sources))
        if len(self._sources) > _MOST_SOURCES:
            self._sources = Counter(dict(self._sources.most_common(_MOST_SOURCES // 2)))

    def lengths(self) -> LengthReport:
        return self._lengths.report()

    def bias(self) -> BiasReport | None:
        """None without pairs."""
        if not self._pairs or not self._rejected:
            return None
        return BiasReport(
            pairs=self._pairs,
            ratio=round(self._chosen / self._rejected, 2),
            chosen_longer=round(self._longer / self._pairs, 3),
        )

    def largest_source(self, rows: int) -> float:
        """Share of the rows that come from the most frequent ``data_source``; 0 where rows name none."""
        if not self._sources or not rows:
            return 0.0
        return round(self._sources.most_common(1)[0][1] / rows, 3)
