"""Two processes say what one says, in the same order, whatever becomes of the second."""

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.samples import changed, checked, lines, right, written
from tests.support.processes import children
from tunestep.datasets import checker as checker_module
from tunestep.datasets import pairing, partner
from tunestep.datasets.blocks import cuts
from tunestep.datasets.faults import Collector
from tunestep.datasets.partner import SLOT, SLOTS, Partner
from tunestep.datasets.rows import RowChecker
from tunestep.datasets.statistics import Statistics


def _echo(number: int, data: bytes) -> bytes:
    return b"%d:" % number + data


@pytest.fixture(autouse=True)
def _idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the machine is doing, there is a processor for a second process."""
    monkeypatch.setattr(pairing, "one_is_free", lambda: True)


@pytest.fixture
def echo() -> Iterator[Partner]:
    made = Partner(_echo)
    yield made
    made.close()


def test_answers_come_in_the_order_of_the_pieces_and_no_more_are_taken_than_fit(echo: Partner) -> None:
    for turn in range(5):
        sent = [echo.send(index, b"%d" % turn) for index in range(SLOTS + 2)]
        assert sent == [True] * SLOTS + [False] * 2
        assert [echo.receive() for _ in range(SLOTS)] == [b"%d:%d" % (i, turn) for i in range(SLOTS)]


def test_pieces_and_answers_that_do_not_fit_are_left_to_this_process(echo: Partner) -> None:
    assert not echo.send(0, b"x" * (SLOT + 1))
    assert echo.send(0, b"x" * SLOT)
    assert echo.receive() is None
    assert echo.send(1, b"y")
    assert echo.receive() == b"1:y"


def test_a_partner_that_fails_answers_nothing_more() -> None:
    def fails(number: int, data: bytes) -> bytes:
        raise MemoryError

    broken = Partner(fails)
    assert broken.send(0, b"x")
    assert broken.receive() is None
    assert not broken.send(0, b"x")
    assert broken.ready()
    broken.close()


def test_closing_leaves_no_process_and_no_open_file() -> None:
    before = len(list(Path("/proc/self/fd").iterdir())), children()
    made = Partner(_echo)
    made.send(0, b"x")
    made.close()

    assert (len(list(Path("/proc/self/fd").iterdir())), children()) == before


_FAULTY: list[Callable[[], bytes]] = [
    lambda: lines([changed("chat", ["messages", 1, "content"], " ")]),
    lambda: lines([right("preference")]),
    lambda: b'{"messages": \xff}\n',
    lambda: b"\n \r\n",
    lambda: b"x" * 700_000 + b"\n",
    lambda: lines([right("chat", 2)]),
    lambda: lines([right("prompt_completion")] * 2000),
    lambda: lines([right("chat")])[:-1] + b"\r\n",
]


def _rows(seed: int) -> bytes:
    """Four megabytes of chat rows, with other things between them."""
    rng = random.Random(seed)  # noqa: S311 - reproducible data, nothing secret
    parts = []
    for number in range(6000):
        row = changed("chat", ["messages", 0, "content"], f"{number // 2} " + "é " * rng.randint(1, 300))
        parts.append(lines([row]))
        if rng.random() < 0.004:
            parts.append(rng.choice(_FAULTY)())
    return b"".join(parts)


def _said(path: Path, monkeypatch: pytest.MonkeyPatch, processors: int, **options: Any) -> tuple[Any, bytes]:
    found: list[bytes] = []

    def made(checker: RowChecker, processors: int) -> pairing.Pairing:
        return pairing.Pairing(checker, 1, processors)

    monkeypatch.setattr(checker_module, "Pairing", made)
    report = checked(path, "chat", findings_sink=found.append, processors=processors, **options).to_document()
    report.pop("seconds")
    return report, b"".join(found)


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_report_and_the_findings_file_are_those_of_one_process(
    seed: int, statistics: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, _rows(seed), "a.jsonl")
    written(tmp_path, _rows(seed + 100), "b.jsonl")
    alone = _said(tmp_path, monkeypatch, 1, statistics=statistics)
    both = _said(tmp_path, monkeypatch, 2, statistics=statistics)

    assert alone[0]["training"]["rows_bad"] > 10
    assert both == alone


def test_a_partner_that_is_killed_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, _rows(7))
    alone = _said(path, monkeypatch, 1)
    killed: list[int] = []

    class Mortal(Partner):
        def send(self, number: int, data: bytes) -> bool:
            if self._sent == 5 and not killed:
                killed.append(self._process)
                os.kill(self._process, signal.SIGKILL)
            return super().send(number, data)

    monkeypatch.setattr(pairing, "Partner", Mortal)

    assert _said(path, monkeypatch, 2) == alone
    assert killed


def test_a_partner_that_gets_no_processor_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, _rows(9))
    alone = _said(path, monkeypatch, 1)
    never, end = os.pipe()

    class Stuck(Partner):
        def __init__(self, work: partner.Work) -> None:
            super().__init__(lambda number, data: os.read(never, 1))

    monkeypatch.setattr(pairing, "Partner", Stuck)
    assert _said(path, monkeypatch, 2) == alone
    os.close(never)
    os.close(end)


def test_answers_that_were_given_up_are_dropped_and_later_ones_are_not(echo: Partner) -> None:
    for turn in range(4):
        assert echo.send(turn, b"late")
        echo.give_up()
        assert echo.send(turn, b"due")
        assert echo.receive() == b"%d:due" % turn


def test_where_no_process_can_be_forked_one_does_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, _rows(8))
    alone = _said(path, monkeypatch, 1)

    def refused() -> int:
        raise OSError

    monkeypatch.setattr(partner.os, "fork", refused)
    before = len(list(Path("/proc/self/fd").iterdir()))

    assert _said(path, monkeypatch, 2) == alone
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_out_of_time_counts_what_was_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, lines([right("chat")] * 60_000))

    def after(calls: int) -> Callable[[], float]:
        times = iter(range(1000))
        return lambda: 0.0 if next(times) < calls else 100.0

    alone = _said(path, monkeypatch, 1, deadline_seconds=1, clock=after(12))
    both = _said(path, monkeypatch, 2, deadline_seconds=1, clock=after(12))

    assert both == alone
    assert 0 < both[0]["training"]["rows"] < 60_000
    assert both[0]["training"]["out_of_time"]


def test_the_second_process_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    answered: list[bytes | None] = []

    class Counted(Partner):
        def receive(self) -> bytes | None:
            answered.append(super().receive())
            return answered[-1]

    monkeypatch.setattr(pairing, "Partner", Counted)
    counted = Statistics(0)
    checker = RowChecker("SFT", "open-weights", Collector(), counted)
    pair = pairing.Pairing(checker, 1, 2)
    checker.open(1, "rows.jsonl")
    rows = lines([right("chat") | {"id": str(number)} for number in range(20_000)])
    for cut in cuts(rows[start : start + 100_000] for start in range(0, len(rows), 100_000)):
        pair.check(cut)
    pair.settle()
    pair.close()

    assert checker.rows == 20_000
    assert len(counted.hashes.values) == 20_000
    assert sum(map(bool, answered)) > SLOTS
    assert checker.formats["chat"].rows == 20_000


def test_a_busy_machine_is_left_to_others_until_a_processor_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, _rows(10))
    alone = _said(path, monkeypatch, 1)
    free = iter([False, True])
    started: list[int] = []

    class Counted(Partner):
        def __init__(self, work: partner.Work) -> None:
            started.append(1)
            super().__init__(work)

    monkeypatch.setattr(pairing, "ALONE", 2)
    monkeypatch.setattr(pairing, "one_is_free", lambda: next(free))
    monkeypatch.setattr(pairing, "Partner", Counted)

    assert _said(path, monkeypatch, 2) == alone
    assert started == [1]
    assert next(free, None) is None


def test_programs_that_want_a_processor_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = tmp_path / "loadavg"
    monkeypatch.setattr(partner, "Path", lambda _: said)
    monkeypatch.setattr(partner, "cores", lambda: 2)
    assert partner.one_is_free()
    said.write_text("1.00 1.00 1.00 2/500 1234\n")
    assert partner.one_is_free()
    said.write_text("1.00 1.00 1.00 3/500 1234\n")
    assert not partner.one_is_free()


def test_nothing_is_forked_for_little_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "Partner", None)

    assert checked(written(tmp_path, lines([right("chat")] * 1000)), "chat").training.rows == 1000
