"""The name of an execution becomes part of keys and paths, and leads nowhere else."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tunestep import names, s3uri
from tunestep.checks.output import default_uri
from tunestep.cli import results
from tunestep.cli.failure import CliError


@pytest.mark.parametrize("run_id", [".", "..", "...", "a..b", ".hidden", "run-1"])
def test_a_run_id_is_one_part_of_a_path(run_id: str) -> None:
    folder = names.run_folder(run_id)
    assert (Path("/runs") / folder).resolve().parent == Path("/runs")
    assert s3uri.parse(f"s3://bucket/{names.run_key(run_id, 'plan.json')}").key.startswith("runs/")
    assert s3uri.parse(default_uri("bucket", run_id)).is_folder
    assert folder == run_id or set(run_id) == {"."}


def _target(home: Path, run_id: str) -> Any:
    key = names.run_key(run_id, "record.json")
    s3 = SimpleNamespace(
        list_objects_v2=lambda **_: {"Contents": [{"Key": key}, {"Key": f"{key}/../../port"}]},
        get_object=lambda **_: {"Body": io.BytesIO(b"{}")},
    )
    return SimpleNamespace(home=home, bucket="bucket", clients=SimpleNamespace(s3=s3))


def test_the_files_of_a_run_called_two_dots_stay_below_runs(tmp_path: Path) -> None:
    folder = results.copy_files(_target(tmp_path, ".."), "..")
    assert folder.parent == tmp_path / "runs"
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert [path.name for path in folder.iterdir()] == ["record.json"]
    assert (folder / "record.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("link", ["runs", "runs/run-1"])
def test_no_file_is_written_through_a_linked_folder(tmp_path: Path, link: str) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    outside.mkdir()
    (home / link).parent.mkdir(parents=True)
    (home / link).symlink_to(outside)
    with pytest.raises(CliError, match="is a link"):
        results.copy_files(_target(home, "run-1"), "run-1")
    assert list(outside.iterdir()) == []


def test_a_linked_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (tmp_path / "runs" / "run-1").mkdir(parents=True)
    (tmp_path / "runs" / "run-1" / "record.json").symlink_to(outside)
    folder = results.copy_files(_target(tmp_path, "run-1"), "run-1")
    assert outside.read_text() == "mine"
    assert (folder / "record.json").read_text() == "{}"
