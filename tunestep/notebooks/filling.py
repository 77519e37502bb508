"""Values into templates: as repr() literals in code, as escaped text in markdown, and in no other way."""

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from tunestep.notebooks.template import Line, Section, Template
from tunestep.text import one_line

Form = Literal["notebook", "script"]

_LITERAL = re.compile(r'"\[([A-Z0-9_]+)\]"')
_WORD = re.compile(r"\[([A-Z0-9_]+)\]")
_EACH = "trainer.hyperparameters.NAME"
_MARKDOWN = re.compile(r"[\\`*_\[\]~$|@]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_LONGEST_TEXT = 2000


class RenderingFailed(Exception):  # noqa: N818
    """A template cannot be filled; the message says what is missing and where."""


class Hyperparameter(msgspec.Struct, frozen=True):
    """``mode`` is set (a line of code), default (the same as a comment) or drop (not to be sent at all)."""

    name: str
    value: Any
    mode: Literal["set", "default", "drop"]


class Filled(msgspec.Struct, frozen=True):
    """One cell: its label and its lines, in markdown or in Python."""

    label: str
    lines: tuple[str, ...]
    markdown: bool = False


def fill(
    template: Template,
    values: Mapping[str, Any],
    hyperparameters: Sequence[Hyperparameter] = (),
    *,
    form: Form,
) -> list[Filled]:
    """The cells of a rendering, empty ones left out.

    Raises RenderingFailed when a line that stays names a value that is not there.
    """
    cells = []
    for section in template.sections:
        if _left_out(section, values, form):
            continue
        lines = tuple(_filled(template, section, values, hyperparameters, form))
        if lines or section.markdown:
            cells.append(Filled(section.label, lines, section.markdown))
    return cells


def _left_out(part: Section | Line, values: Mapping[str, Any], form: Form) -> bool:
    return (part.notebook_only and form == "script") or (bool(part.only_if) and part.only_if not in values)


def _filled(
    template: Template,
    section: Section,
    values: Mapping[str, Any],
    hyperparameters: Sequence[Hyperparameter],
    form: Form,
) -> Iterator[str]:
    for line in section.lines:
        if _left_out(line, values, form):
            continue
        if line.each_hyperparameter:
            yield from (_setting(entry) for entry in hyperparameters)
            continue
        where = f"code_templates/{template.name}.py, section {section.label}"
        if section.markdown:
            shown = _shown if form == "script" else markdown
            yield _replace(_WORD, line.text.removeprefix("#").strip(), values, shown, where)
        else:
            yield _replace(_LITERAL, line.text, values, repr, where)


def _replace(pattern: re.Pattern[str], text: str, values: Mapping[str, Any], write: Any, where: str) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values:
            raise RenderingFailed(f"{where}: nothing is known for {name}, and the rendering needs it.")
        return str(write(values[name]))

    return pattern.sub(value, text)


def _setting(entry: Hyperparameter) -> str:
    """A line for one hyperparameter; names come from the hub, so only plain ones become attributes."""
    plain = entry.name.isidentifier() and not entry.name.startswith("_") and not keyword.iskeyword(entry.name)
    if entry.mode == "drop":
        # The SDK refuses None for a typed option, and sends every option that its specification holds.
        return f"trainer.hyperparameters._specs.pop({entry.name!r}, None)"
    if plain:
        line = f"{_EACH.replace('NAME', entry.name)} = {entry.value!r}"
    else:
        line = f"setattr(trainer.hyperparameters, {entry.name!r}, {entry.value!r})"
    return f"# {line}" if entry.mode == "default" else line


def _shown(value: Any) -> str:
    return one_line(value, _LONGEST_TEXT)


def markdown(value: Any) -> str:
    """Text that a markdown cell shows as it is: no HTML, link, image, formula or table comes out of it."""
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", _shown(value).translate(_HTML))
