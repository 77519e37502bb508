"""A sample of rows: the same for the same data, spread over all of it, and bounded."""

import json
import random
from pathlib import Path

import pytest

from tests.datasets.samples import lines, right, written
from tunestep import datasets
from tunestep.datasets import RowSample
from tunestep.datasets.blocks import Cut
from tunestep.datasets.sampling import MOST_LINE


def _sampled(path: Path, sample: RowSample, **options: object) -> list[int]:
    report = datasets.check(
        datasets.local(path), technique="RLVR", family="open-weights", sample=sample, **options
    )
    assert report.training.complete
    return [json.loads(line)["n"] for line in sample.lines().splitlines()]


def _rows(count: int) -> list[dict[str, object]]:
    return [right("rl") | {"n": number} for number in range(count)]


@pytest.mark.parametrize(("count", "step"), [(7, 1), (100, 1), (101, 2), (5000, 64)])
def test_every_so_many_rows_are_kept_and_no_more_than_asked_for(
    count: int, step: int, tmp_path: Path
) -> None:
    found = _sampled(written(tmp_path, lines(_rows(count))), RowSample(most_rows=100))

    assert found == list(range(0, count, step))


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_rows_of_every_type_become_lines_of_json(kind: str, tmp_path: Path) -> None:
    rows = _rows(300)
    path = tmp_path / f"rows.{kind}"
    if kind == "jsonl":
        path.write_bytes(b"\n\r\n".join(lines([row]) for row in rows))
    elif kind == "json":
        path.write_text(json.dumps(rows, indent=2))
    elif kind == "csv":
        truth = '"{""ground_truth"": ""4""}"'
        asked = ['"' + json.dumps(row["prompt"]).replace('"', '""') + '"' for row in rows]
        cells = [f"{prompt},{truth},{number}" for number, prompt in enumerate(asked)]
        path.write_text("\n".join(["prompt,reward_model,n", *cells]))
    else:
        import duckdb  # noqa: PLC0415 - loaded where such a file is made

        source = written(tmp_path, lines(rows), "source.jsonl")
        duckdb.execute(f"COPY (FROM read_json_auto('{source}')) TO '{path}' (FORMAT parquet)")
    sample = RowSample(most_rows=50)
    found = _sampled(path, sample)

    assert [int(number) for number in found] == list(range(0, 300, 8))
    assert json.loads(sample.lines().splitlines()[0])["prompt"][0]["content"] == "2+2?"


def test_how_the_data_was_cut_and_who_read_it_changes_nothing() -> None:
    rows = [b'{"n": %d}' % number for number in range(900)]
    whole, cut = RowSample(most_rows=40), RowSample(most_rows=40)
    whole.take(Cut(b"\n".join(rows) + b"\n"), 0, 900)
    rng, place = random.Random(3), 0  # noqa: S311 - reproducible data, nothing secret
    while place < 900:
        part = rows[place : place + rng.randint(1, 60)]
        cut.take(Cut(b"\n \n".join(part) + b"\n"), place, len(part))
        place += len(part)

    assert cut.lines() == whole.lines()


def test_bytes_are_bounded_and_a_very_long_row_is_left_out() -> None:
    sample = RowSample(most_rows=1000, most_bytes=10_000)
    for number in range(100):
        text = b"x" * (MOST_LINE + 1 if number == 0 else 1000)
        sample.take(Cut(text + b"\n"), number, 1)
    sample.take(Cut(b"", 5_000_000), 100, 1)

    assert 1000 <= len(sample.lines()) < 10_100
    assert b"x" * MOST_LINE not in sample.lines()


def test_only_training_rows_are_sampled(tmp_path: Path) -> None:
    path = written(tmp_path, lines(_rows(5)))
    held = written(tmp_path, lines([right("rl") | {"n": 99}]), "validation.jsonl")

    assert _sampled(path, RowSample(), validation=datasets.local(held)) == [0, 1, 2, 3, 4]
