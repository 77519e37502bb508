"""docs/security.md shows what the template grants: generated from it, so that it cannot lag behind."""

from typing import Any

from scripts.permissions import MARKED, PAGE, with_table
from tests.infra.support import all_statements, of_type


def test_the_page_shows_the_permissions_as_they_are(template: dict[str, Any]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert MARKED.search(text), "docs/security.md has lost the marks around its table"
    assert text == with_table(text, template), "run: make permissions-table"


def test_every_function_and_every_action_stands_in_it(template: dict[str, Any]) -> None:
    shown = MARKED.search(PAGE.read_text(encoding="utf-8"))
    assert shown
    for function in of_type(template, "AWS::Lambda::Function").values():
        assert f"`{function['FunctionName']}`" in shown[0]
    for rule in all_statements(template):
        for action in rule["Action"]:
            service, _, verb = action.partition(":")
            assert any(f"`{service}`" in row and verb in row for row in shown[0].splitlines()), action
