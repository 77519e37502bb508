"""Templates: Python files whose ``# Cell N: Label`` comments begin sections.

A template is read before any value is known, so nothing in a value can act as a marker. Markers stand at the
end of a line, after two spaces, and are taken off:

- ``# NOTEBOOK_ONLY``: the line is left out of scripts.
- ``# ONLY_IF NAME``: the line is kept when NAME has a value.
- ``# EACH_HYPERPARAMETER``: the line is written once for each hyperparameter.

``# NOTEBOOK_ONLY_SECTION`` and ``# ONLY_IF NAME`` at the end of a ``# Cell N:`` line do so for the section.
``# Cell 0 [markdown]: Label`` is text: its label is the heading, its comments are the body.
"""

import ast
import re
from functools import cache
from pathlib import Path

import msgspec

FOLDER = Path(__file__).resolve().parents[2] / "code_templates"
"""Beside the package, in the repository as in a function's zip."""

_HEADING = re.compile(r"# Cell (?P<number>\d+)(?P<markdown> \[markdown\])?: (?P<label>.+)")
_MARKER = re.compile(
    r"  # (?:(?P<word>NOTEBOOK_ONLY_SECTION|NOTEBOOK_ONLY|EACH_HYPERPARAMETER)|ONLY_IF (?P<name>\w+))$"
)


class TemplateInvalid(Exception):  # noqa: N818
    """A template breaks the conventions; the message says which and where."""


class Line(msgspec.Struct, frozen=True):
    """One line without its markers, and what they said."""

    text: str
    only_if: str = ""
    notebook_only: bool = False
    each_hyperparameter: bool = False


class Section(msgspec.Struct, frozen=True):
    """What lies between two ``# Cell`` comments, without the blank lines at either end."""

    label: str
    lines: tuple[Line, ...]
    markdown: bool = False
    only_if: str = ""
    notebook_only: bool = False


class Template(msgspec.Struct, frozen=True):
    """A template file. ``summary`` is its docstring, the first line of a script made from it."""

    name: str
    summary: str
    sections: tuple[Section, ...]


@cache
def load(name: str) -> Template:
    """One of the files in code_templates, by its name without ``.py``."""
    return parse(name, (FOLDER / f"{name}.py").read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Template:
    """A template's text in its parts; raises TemplateInvalid."""
    head, *_ = re.split(r"^# Cell ", text, maxsplit=1, flags=re.MULTILINE)
    sections: list[Section] = []
    for number, (heading, body) in enumerate(_sections(text)):
        found = _HEADING.fullmatch(heading.text)
        if found is None or int(found["number"]) != number:
            raise TemplateInvalid(f"{name}.py: {heading.text!r} should be `# Cell {number}: Label`")
        sections.append(
            Section(
                found["label"],
                tuple(_stripped(body)),
                markdown=bool(found["markdown"]),
                only_if=heading.only_if,
                notebook_only=heading.notebook_only,
            )
        )
    summary = ast.get_docstring(ast.parse(head))
    if not summary or not sections:
        raise TemplateInvalid(f"{name}.py needs a docstring and sections that begin with `# Cell N: Label`")
    return Template(name, summary, tuple(sections))


def _sections(text: str) -> list[tuple[Line, list[Line]]]:
    sections: list[tuple[Line, list[Line]]] = []
    for line in text.splitlines():
        if line.startswith("# Cell "):
            sections.append((_line(line), []))
        elif sections:
            sections[-1][1].append(_line(line))
    return sections


def _line(text: str) -> Line:
    words, condition = set(), ""
    while found := _MARKER.search(text):
        words.add(found["word"])
        condition = found["name"] or condition
        text = text[: found.start()]
    return Line(
        text,
        only_if=condition,
        notebook_only=bool(words & {"NOTEBOOK_ONLY", "NOTEBOOK_ONLY_SECTION"}),
        each_hyperparameter="EACH_HYPERPARAMETER" in words,
    )


def _stripped(lines: list[Line]) -> list[Line]:
    kept = [index for index, line in enumerate(lines) if line.text.strip()]
    return lines[kept[0] : kept[-1] + 1] if kept else []
