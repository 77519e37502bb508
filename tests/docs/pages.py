"""The pages that a user reads, taken apart into commands, code blocks and links."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "reward_functions" / "README.md",
    *sorted((ROOT / "examples").glob("*/README.md")),
]
# A block within a list is indented, and ends at a fence as long as the one that began it (CommonMark 4.5).
_BLOCK = re.compile(r"^([ >]*)(`{3,}|~{3,})([^\n`]*)\n(.*?)^[ >]*\2[ ]*$\n?", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    page: str
    language: str
    text: str


def blocks_of(page: str, text: str) -> list[Block]:
    """Every fenced block of a page, as it would be copied: without the indent of a list that it stands in."""
    return [Block(page, kind.strip(), dedent(inside)) for _, _, kind, inside in _BLOCK.findall(text)]


def every_block() -> list[Block]:
    return [
        block
        for page in PAGES
        for block in blocks_of(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))
    ]


def blocks(language: str) -> list[Block]:
    return [block for block in every_block() if block.language == language]


def lines(block: Block) -> list[str]:
    """The commands of a block, one a line: what is continued by a backslash is put together."""
    return [line for line in re.sub(r"\s*\\\n\s*", " ", block.text).splitlines() if line]


def commands() -> list[tuple[str, str]]:
    """(page, command) of every line of every console block, in order."""
    return [(block.page, line) for block in blocks("console") for line in lines(block)]


def without_blocks(page: Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def spans() -> Iterator[tuple[str, str]]:
    """(page, code) of all code that stands within a sentence or a table, put on one line."""
    for page in PAGES:
        for code in _SPAN.findall(without_blocks(page)):
            yield str(page.relative_to(ROOT)), " ".join(code.split())


def links() -> list[tuple[Path, str]]:
    return [(page, target) for page in PAGES for target in _LINK.findall(page.read_text(encoding="utf-8"))]


def anchors(page: Path) -> set[str]:
    """The fragments that the page's headings have on GitHub."""
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
