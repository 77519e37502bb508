"""Renderings on disk: nothing is replaced, and a notebook that is added to keeps all it had."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tunestep.cli import notebook_files
from tunestep.cli.notebook_files import NotWritten
from tunestep.notebooks.documents import notebook
from tunestep.notebooks.filling import Filled

CELLS = [
    Filled("A Heading", ("text",), markdown=True),
    Filled("Setup & Credentials", ("x = 1", "print(x)")),
]
THEIRS: dict[str, Any] = {
    "cells": [
        {"cell_type": "markdown", "id": "a-heading", "metadata": {}, "source": ["# Ours\n", "日本語"]},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {"name": "Setup & Credentials", "scrolled": True},
            "execution_count": 7,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["1\n"]}],
            "source": ["print(1)"],
        },
    ],
    "metadata": {"kernelspec": {"name": "conda", "display_name": "Conda", "language": "python"}, "mine": [1]},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def saved(folder: Path, document: Any) -> Path:
    path = folder / "theirs.ipynb"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def with_changes(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(THEIRS), **changes}


def test_cells_are_added_under_a_heading_and_what_was_there_stays(tmp_path: Path) -> None:
    path = saved(tmp_path, THEIRS)
    path.chmod(0o640)
    before = nbformat.read(path, as_version=4)
    notebook_files.append(path, CELLS)
    notebook_files.append(path, CELLS)
    after = nbformat.read(path, as_version=4)
    nbformat.validate(after)
    assert after.cells[:2] == before.cells
    assert after.metadata == before.metadata
    assert [cell.metadata.get("name") for cell in after.cells[2:]] == [
        "A Heading (2)",
        "Setup & Credentials (2)",
        "A Heading (3)",
        "Setup & Credentials (3)",
    ]
    assert after.cells[2].source.startswith("## A Heading\n")
    assert len({cell.id for cell in after.cells}) == len(after.cells)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["theirs.ipynb"]


def test_a_notebook_from_before_cell_ids_keeps_its_format(tmp_path: Path) -> None:
    older = with_changes(nbformat_minor=4)
    for cell in older["cells"]:
        del cell["id"]
    path = saved(tmp_path, older)
    notebook_files.append(path, CELLS)
    after = json.loads(path.read_text(encoding="utf-8"))
    assert after["nbformat_minor"] == 4
    assert not any("id" in cell for cell in after["cells"])
    nbformat.validate(nbformat.reads(json.dumps(after), as_version=4))


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("", "it is no JSON"),
        ("print('a script')\n", "it is no JSON"),
        ("{}", "it does not say its `nbformat`"),
        ("[]", "it does not say its `nbformat`"),
        ("null", "it does not say its `nbformat`"),
        ('"text"', "it does not say its `nbformat`"),
        (
            '{"cells": [], "metadata": {}, "nbformat": "4", "nbformat_minor": 5}',
            "it does not say its `nbformat`",
        ),
        ("[" * 100_000, "it is no JSON"),
        (with_changes(cells={}), "it has no list of `cells`"),
        (with_changes(cells="x"), "it has no list of `cells`"),
        (with_changes(cells=[{"cell_type": "code"}]), "not a notebook"),
        (with_changes(nbformat=3, nbformat_minor=0), "notebook|format 3"),
        (with_changes(nbformat=99), "notebook|format 99"),
        (
            with_changes(metadata={"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}),
            "for r,",
        ),
        (with_changes(metadata={"language_info": {"name": "julia"}}), "for julia,"),
    ],
)
def test_what_is_no_python_notebook_is_refused_and_left_alone(
    document: Any, says: str, tmp_path: Path
) -> None:
    path = saved(tmp_path, document)
    before = path.read_bytes()
    with pytest.raises(NotWritten, match=rf"nothing was added to .*theirs\.ipynb: .*({says})"):
        notebook_files.append(path, CELLS)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_a_binary_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "theirs.ipynb"
    path.write_bytes(content)
    with pytest.raises(NotWritten, match="not UTF-8"):
        notebook_files.append(path, CELLS)
    assert path.read_bytes() == content


def test_a_notebook_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="No such file"):
        notebook_files.append(tmp_path / "none.ipynb", CELLS)
    with pytest.raises(NotWritten, match="Is a directory"):
        notebook_files.append(tmp_path, CELLS)


def test_a_disk_that_takes_nothing_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, THEIRS)
    before = path.read_bytes()

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(notebook_files.tempfile, "NamedTemporaryFile", full)
    with pytest.raises(NotWritten, match="No space left"):
        notebook_files.append(path, CELLS)
    assert path.read_bytes() == before


def test_a_new_file_replaces_none(tmp_path: Path) -> None:
    path = tmp_path / "new" / "01_x.py"
    notebook_files.create(path, "first\n")
    with pytest.raises(NotWritten, match="is there already"):
        notebook_files.create(path, "second\n")
    assert path.read_text() == "first\n"
    with pytest.raises(NotWritten, match="cannot be written"):
        notebook_files.create(path / "below" / "x.py", "third\n")


def test_scripts_are_numbered_after_the_highest_that_is_there(tmp_path: Path) -> None:
    assert notebook_files.next_number(tmp_path / "none") == 1
    for name in ("01_a.py", "07_b.py", "8_c.py", "09_d.txt", "100_e.py", "notes.py"):
        (tmp_path / name).touch()
    assert notebook_files.next_number(tmp_path) == 101


def test_a_rendered_notebook_is_valid() -> None:
    notebook_files.check(notebook(CELLS))
