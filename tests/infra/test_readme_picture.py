"""The README's picture is drawn from the machine, so it cannot lag behind it."""

from typing import Any

from scripts.picture import MARKED, README, with_picture


def test_the_readme_shows_the_machine_as_it_is(template: dict[str, Any]) -> None:
    text = README.read_text(encoding="utf-8")

    assert MARKED.search(text), "README.md has lost the marks around its picture"
    assert text == with_picture(text, template), "run: make picture"
