"""Filled cells as files: a notebook (nbformat 4.5) and a script.

The notebook is written without nbformat, so that a function that stores one carries no library for it; the
tests hold the bytes against nbformat's own.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from tunestep.notebooks.filling import Filled

METADATA: dict[str, Any] = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

_NOT_IN_ID = re.compile(r"[^a-z0-9]+")
_LONGEST_ID = 56

Cell = dict[str, Any]


def notebook_cells(cells: Sequence[Filled], taken: Iterable[Cell] = (), *, heading: str = "#") -> list[Cell]:
    """Cells as nbformat has them, each with an id and a name of its own.

    ``taken`` are the cells of the notebook that they go into, whose ids and names are not used again.
    """
    ids = {cell.get("id") for cell in taken}
    names = {cell.get("metadata", {}).get("name") for cell in taken}
    made: list[Cell] = []
    for filled in cells:
        number = 1
        while _id(filled.label, number) in ids or _name(filled.label, number) in names:
            number += 1
        common = {"id": _id(filled.label, number), "metadata": {"name": _name(filled.label, number)}}
        ids.add(common["id"])
        names.add(_name(filled.label, number))
        if filled.markdown:
            source = "\n".join([f"{heading} {filled.label}", "", *filled.lines])
            made.append({"cell_type": "markdown", **common, "source": source})
        else:
            source = "\n".join(filled.lines)
            made.append(
                {"cell_type": "code", **common, "execution_count": None, "outputs": [], "source": source}
            )
    return made


def notebook(cells: Sequence[Filled]) -> str:
    """A whole notebook as text, in nbformat's own spelling (sorted keys, one space, sources by line)."""
    written = [{**cell, "source": cell["source"].splitlines(keepends=True)} for cell in notebook_cells(cells)]
    document = {"cells": written, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def script(summary: str, cells: Sequence[Filled], *, needs: str = "") -> str:
    """A script whose sections editors show as cells; its docstring is the template's, and no value of a plan.

    ``needs`` is what has to be installed for it.
    """
    docstring = [summary, "", f"Needs: {needs}"] if needs else [summary]
    lines = ['"""' + "\n".join(docstring) + ('\n"""' if needs else '"""')]
    for cell in cells:
        if cell.markdown:
            lines += ["", *(f"# {line}".rstrip() for line in (cell.label, "", *cell.lines))]
        else:
            lines += ["", f"# %% {cell.label}", "", *cell.lines]
    return "\n".join(lines) + "\n"


def _id(label: str, number: int) -> str:
    stem = _NOT_IN_ID.sub("-", label.lower()).strip("-")[:_LONGEST_ID]
    return stem if number == 1 else f"{stem}-{number}"


def _name(label: str, number: int) -> str:
    return label if number == 1 else f"{label} ({number})"
