"""The examples: their data is what the script makes, and the trainer takes every row."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from tunestep.local.training.data_files import parse_lines
from tunestep.local.training.hyperparameters import map_values

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = {
    "sft/train.jsonl": 240,
    "sft/validation.jsonl": 40,
    "dpo/train.jsonl": 160,
    "continue/train.jsonl": 160,
    "rlvr/train.jsonl": 320,
    "rlvr/validation.jsonl": 64,
    "rlaif/train.jsonl": 160,
    "rlaif/validation.jsonl": 32,
}


def test_the_committed_data_is_what_the_script_makes(tmp_path: Path) -> None:
    main: Callable[[], None] = runpy.run_path(str(EXAMPLES / "make_data.py"))["main"]
    main.__globals__["HERE"] = tmp_path
    main()
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (EXAMPLES / name).read_bytes(), name


@pytest.mark.parametrize(("name", "rows"), FILES.items())
def test_every_row_of_an_example_is_an_example(name: str, rows: int) -> None:
    technique = {"dpo": "DPO", "rlvr": "RLVR", "rlaif": "RLAIF"}.get(name.partition("/")[0], "SFT")
    raw = (EXAMPLES / name).read_bytes()
    assert sum(1 for _ in parse_lines(name, [raw], technique)) == rows


@pytest.mark.parametrize("example", ["sft", "rlvr", "rlaif"])
def test_training_and_validation_share_no_problem(example: str) -> None:
    train, check = (
        {str(json.loads(line)["prompt"]) for line in (EXAMPLES / example / name).read_text().splitlines()}
        for name in ("train.jsonl", "validation.jsonl")
    )
    assert not train & check


@pytest.mark.parametrize("name", ["sft", "dpo", "continue", "rlvr", "rlaif"])
def test_an_example_request_names_files_beside_it_and_values_the_trainer_takes(name: str) -> None:
    request = json.loads((EXAMPLES / name / "request.json").read_text())
    for field in ("training_data", "validation_data"):
        assert field not in request or (EXAMPLES / name / request[field]).is_file()
    values = {key: str(value) for key, value in request["hyperparameters"].items()}
    assert map_values(values, technique=request["technique"], lora=True).recipe.epochs >= 1
