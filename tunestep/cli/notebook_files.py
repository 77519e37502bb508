"""Renderings on disk: new files that replace nothing, and cells added to a notebook that is there.

Needs nbformat, which only the command's environment has.
"""

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from tunestep.notebooks.documents import notebook_cells
from tunestep.notebooks.filling import Filled

_NUMBERED = re.compile(r"(\d\d+)_.*\.py")
_LARGEST = 256 * 1024 * 1024
_FIRST_WITH_IDS = 5
"""Cells have ids from nbformat 4.5 on."""


class NotWritten(Exception):  # noqa: N818
    """A file cannot be written or added to; the message says why, and what was there is as it was."""


def next_number(folder: Path) -> int:
    """The number after the highest ``NN_`` of the scripts in a folder; 1 when there is none."""
    names = [path.name for path in folder.glob("*.py")] if folder.is_dir() else []
    return max((int(found[1]) for name in names if (found := _NUMBERED.fullmatch(name))), default=0) + 1


def create(path: Path, text: str) -> None:
    """Write a new file; raises NotWritten when one of that name is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise NotWritten(f"{path} cannot be written: {fault.strerror}.") from None
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise NotWritten(
            f"{path} is there already and was left as it is. Name another folder with -o, or add the cells "
            "to a notebook with --append."
        ) from None
    except OSError as fault:
        raise NotWritten(f"{path} cannot be written: {fault.strerror}.") from None


def check(text: str) -> None:
    """Raise nbformat's ValidationError unless the text is a valid notebook."""
    nbformat.validate(nbformat.reads(text, as_version=nbformat.NO_CONVERT))


def append(path: Path, cells: Sequence[Filled]) -> None:
    """Add cells at the end of a notebook, under a second-level heading, and keep all that was in it.

    The file is replaced in one step. Raises NotWritten for what is no Python notebook of format 4.
    """
    notebook = _read(path)
    added = notebook_cells(cells, notebook.cells, heading="##")
    for cell in added:
        if notebook.nbformat_minor < _FIRST_WITH_IDS:
            del cell["id"]
        notebook.cells.append(nbformat.from_dict(cell))
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as fault:
        raise _not_added(path, f"it would not be a valid notebook ({_first_line(fault)})") from None
    _replace(path, nbformat.writes(notebook) + "\n")


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST:
            raise _not_added(path, f"it is larger than {_LARGEST} bytes")
        text = path.read_text(encoding="utf-8")
        if wrong := _no_notebook(text):
            raise _not_added(path, f"it is not a notebook ({wrong})")
        notebook = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
        nbformat.validate(notebook)
    except OSError as fault:
        raise _not_added(path, f"it cannot be read ({fault.strerror})") from None
    except UnicodeDecodeError:
        raise _not_added(path, "it is not a notebook (not UTF-8 text)") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as fault:
        raise _not_added(path, f"it is not a notebook ({_first_line(fault)})") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as fault:
        raise _not_added(path, f"it is not a notebook ({type(fault).__name__})") from None
    if notebook.nbformat != nbformat.current_nbformat:
        raise _not_added(path, f"it has format {notebook.nbformat}; open and save it in Jupyter first")
    language = _language(notebook.metadata)
    if not language.startswith("python"):
        raise _not_added(path, f"its kernel is for {language}, and these cells are Python")
    return notebook


def _language(metadata: Any) -> str:
    known = (metadata.get("kernelspec", {}).get("language"), metadata.get("language_info", {}).get("name"))
    return next((str(name).lower() for name in known if name), "python")


def _not_added(path: Path, reason: str) -> NotWritten:
    return NotWritten(f"nothing was added to {path}: {reason}.")


def _no_notebook(text: str) -> str:
    """What is missing of a notebook of any format, where nbformat would name its own insides; else empty."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return "it is no JSON"
    if not isinstance(document, dict) or not isinstance(document.get("nbformat"), int):
        return "it does not say its `nbformat`"
    if document["nbformat"] >= nbformat.current_nbformat and not isinstance(document.get("cells"), list):
        return "it has no list of `cells`"
    return ""


def _first_line(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0][:200]


def _replace(path: Path, text: str) -> None:
    """Replace a file as a whole, so that it is never half written."""
    try:
        mode = path.stat().st_mode & 0o777
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8", newline="\n", delete=False
        ) as file:
            file.write(text)
        Path(file.name).chmod(mode)
        Path(file.name).replace(path)
    except OSError as fault:
        raise _not_added(path, f"it cannot be written ({fault.strerror})") from None
