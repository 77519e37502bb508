"""What the report says about the whole of the data, and that none of it is content."""

import gzip
import hashlib
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.samples import RIGHT, Made, checked, codes, lines, right, written
from tunestep import datasets
from tunestep.datasets import blocks, hashes
from tunestep.datasets.formats import FORMATS
from tunestep.datasets.lengths import LengthCounter, quarters
from tunestep.datasets.sources import Source


def _pair(prompt: str, completion: str = "b") -> dict[str, str]:
    return {"prompt": prompt, "completion": completion}


def test_duplicates_and_overlap_are_counted_with_their_rows(tmp_path: Path) -> None:
    train = written(tmp_path, lines([_pair("a"), _pair("b"), _pair("a"), _pair("a")]))
    held = written(tmp_path, lines([_pair("c"), _pair("b")]), "val.jsonl")
    report = checked(train, "prompt_completion", validation=datasets.local(held))

    assert (report.training.duplicates, report.training.duplicate_rows) == (2, [3, 4])
    assert report.overlap is not None
    assert (report.overlap.count, report.overlap.rows) == (1, [2])
    assert codes(report) == ["ROWS_DUPLICATE", "VALIDATION_OVERLAP"]
    assert report.ok


@pytest.mark.parametrize("passes", [1, 3])
def test_hashes_agree_with_sets_over_several_passes(passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)  # noqa: S311 - reproducible data, nothing secret
    one = [b"%d" % rng.randint(0, 5000) for _ in range(9000)]
    other = [b"%d" % rng.randint(4000, 9000) for _ in range(3000)]
    monkeypatch.setattr(hashes, "_AT_ONCE", 12_000 // passes)
    first, second = hashes.RowHashes(), hashes.RowHashes()
    first.add(one)
    second.add(other)

    assert hashes.duplicates(first)[0] == len(one) - len(set(one))
    assert hashes.overlap(first, second)[0] == sum(row in set(one) for row in other)


def test_beyond_the_exact_number_rows_are_sampled_by_value() -> None:
    sampled, whole = hashes.RowHashes(most=2000), hashes.RowHashes()
    rows = [b"%d" % (number // 2) for number in range(40_000)]
    sampled.add(rows)
    whole.add(rows[::2])

    assert sampled.step > 1
    assert 0.6 < hashes.duplicates(sampled)[0] * sampled.step / 20_000 < 1.4
    assert hashes.overlap(whole, sampled)[0] == len(sampled.values)
    assert hashes.rows_with(sampled, sampled.values[:1], skip_first=False) == []


def test_percentiles_and_rows_that_would_be_cut() -> None:
    counter = LengthCounter(100)
    counter.add([4 * tokens - 32 for tokens in range(8, 208)])
    report = counter.report()

    assert (report.p50, report.p90, report.p99, report.longest) == (107, 187, 205, 207)
    assert report.cut == 107
    assert report.tokens == sum(range(8, 208))


def test_japanese_counts_a_token_a_character_and_english_a_quarter() -> None:
    assert quarters("日本語") == 12
    assert quarters("word") == 4


def test_rows_longer_than_the_recipe_takes_are_said(tmp_path: Path) -> None:
    path = written(tmp_path, lines([_pair("a"), _pair("x" * 4000)]))
    report = checked(path, "prompt_completion", sequence_length_tokens=512)

    assert codes(report) == ["ROWS_CUT"]
    assert report.training.lengths is not None
    assert report.training.lengths.cut == 1


def test_chosen_answers_that_are_always_longer_are_said(tmp_path: Path) -> None:
    rows = [{"prompt": str(n), "chosen": "yes " * 20, "rejected": "no"} for n in range(60)]
    report = checked(written(tmp_path, lines(rows)), "preference")

    assert codes(report) == ["LENGTH_BIAS"]
    assert report.training.bias is not None
    assert report.training.bias.chosen_longer == 1.0


def test_the_share_of_the_largest_source_is_counted_and_no_source_named(tmp_path: Path) -> None:
    rows = [right("rl") | {"data_source": "secret" if n % 4 else "other", "id": n} for n in range(40)]
    report = checked(written(tmp_path, lines(rows)), "rl")

    assert report.training.largest_source == 0.75
    assert "secret" not in json.dumps(report.to_document())


def test_the_content_hash_is_the_files_own(tmp_path: Path) -> None:
    content = lines([_pair("a")])
    path = written(tmp_path, content)

    assert checked(path, "prompt_completion").training.content_sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("rows", "model", "code"), [
    (31, "amazon.nova-2-lite-v1", ["TOO_FEW_ROWS"]),
    (32, "amazon.nova-2-lite-v1", []),
    (31, "nova-textgeneration-lite-v2", ["TOO_FEW_ROWS"]),
    (5, "nova-textgeneration-micro", []),
])  # fmt: skip
def test_the_row_count_that_the_service_enforces(
    rows: int, model: str, code: list[str], tmp_path: Path
) -> None:
    content = [right("nova_rl") | {"id": str(number)} for number in range(rows)]
    assert codes(checked(written(tmp_path, lines(content)), "nova_rl", model=model)) == code


@pytest.mark.parametrize("strict", [False, True])
def test_beyond_its_deadline_the_check_says_how_far_it_got(strict: bool, tmp_path: Path) -> None:
    for number in range(5):
        written(tmp_path, lines([_pair(f"{number}")]), f"{number}.jsonl")
    clock = itertools.count()
    report = checked(
        tmp_path, "prompt_completion", deadline_seconds=7, strict=strict, clock=lambda: float(next(clock))
    )

    finding = report.findings[0]
    assert finding.code == "DEADLINE"
    assert "2 of 5 files" in finding.message
    assert finding.severity == ("error" if strict else "warning")
    assert report.ok is not strict
    assert report.training.content_sha256 == ""


@pytest.mark.parametrize(
    "name", ["train.jsonl", "train.json", "train.csv", "train.jsonl.gz", "train.parquet"]
)
def test_the_deadline_passes_in_files_that_come_to_no_row_too(name: str, tmp_path: Path) -> None:
    """One endless line, compressed or not, and a file that has to be copied or hashed before it is read."""
    body = b"x" * (4 * blocks.READ)
    content = gzip.compress(body, 0) if name.endswith(".gz") else body
    clock = itertools.count()
    report = checked(
        written(tmp_path, content, name), "chat", deadline_seconds=3, clock=lambda: float(next(clock))
    )

    assert codes(report)[-1] == "DEADLINE"
    assert report.training.bytes == 3 * blocks.READ
    assert report.training.out_of_time


def test_a_parquet_object_is_not_copied_beyond_the_deadline() -> None:
    source = Source("s3://b/k", (Made(itertools.repeat(b"PAR1" * 1000), "rows.parquet"),))
    clock = itertools.count()
    report = datasets.check(
        source,
        technique="SFT",
        family="open-weights",
        deadline_seconds=20,
        clock=lambda: float(next(clock)),
    )

    assert codes(report) == ["DEADLINE"]


def test_the_first_lines_are_listed_and_all_are_written(tmp_path: Path) -> None:
    written_lines: list[bytes] = []
    report = checked(
        written(tmp_path, b"[]\n" * 500), "chat", findings_sink=written_lines.append, statistics=False
    )

    group = report.training.groups[0]
    assert (group.count, [place.line for place in group.first]) == (500, list(range(1, 21)))
    assert (report.faults, report.faults_written, len(written_lines)) == (500, 500, 500)


CANARY = "canary-8d1f"


def _sung(value: Any) -> list[Any]:
    """Every variant of a row with the canary in one value, key or both."""
    if isinstance(value, dict):
        variants: list[Any] = [{**value, CANARY: CANARY}]
        for name, entry in value.items():
            others = {key: other for key, other in value.items() if key != name}
            variants.append(others | {CANARY + name: entry})
            variants += [value | {name: variant} for variant in _sung(entry)]
        return variants
    if isinstance(value, list):
        return [[*value, CANARY]] + [
            [*value[:index], variant, *value[index + 1 :]]
            for index, entry in enumerate(value)
            for variant in _sung(entry)
        ]
    return [CANARY, [CANARY], {CANARY: CANARY}, f"{CANARY}\ud800"]


@pytest.mark.parametrize("name", FORMATS)
def test_no_value_key_or_file_name_appears_in_the_report(name: str, tmp_path: Path) -> None:
    rows = [variant for row in RIGHT[name] for variant in _sung(row)]
    content = lines(rows) + f'{{"{CANARY}\n{CANARY}"}}\n{{"{CANARY}": 1, "{CANARY}": 2}}\n'.encode()
    folder = tmp_path / "data"
    for kind in ("jsonl", "json", "csv", "parquet", "jsonl.gz", CANARY):
        written(folder, content, f"{CANARY}.{kind}")
    written(folder, f"{CANARY},prompt\n{CANARY},{CANARY}\n".encode(), f"{CANARY}2.csv")
    quotes: list[bytes] = []
    for wanted in FORMATS:
        report = checked(folder, wanted, findings_sink=quotes.append, sequence_length_tokens=10)
        assert CANARY not in json.dumps(report.to_document())
    assert any(CANARY.encode() in quote for quote in quotes)
    assert all(len(json.loads(quote)["quote"]) <= 120 for quote in quotes)


def test_many_files_with_the_same_fault_are_one_finding(tmp_path: Path) -> None:
    for number in range(30):
        written(tmp_path, lines([_pair(str(number))]), f"{number:02}.txt")
    report = checked(tmp_path, "prompt_completion")

    assert codes(report) == ["FILE_TYPE_UNKNOWN"]
    assert "29 other files: 2, 3, " in report.findings[0].message
    assert report.findings[0].message.endswith("21 and more.")
