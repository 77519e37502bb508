"""docs/operations.md has a section for every error and every alarm, and none that is gone."""

import re
from typing import Any

from tests.docs.pages import ROOT
from tests.infra.conftest import assembly, template
from tests.infra.support import of_type
from tunestep.errors import PUBLIC_NAMES
from tunestep.operate.doctor import CHECKS

__all__ = ["assembly", "template"]

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def sections(chapter: str) -> list[str]:
    """The headings of a chapter's sections."""
    text = PAGE.split(f"\n## {chapter}\n")[1].split("\n## ")[0]
    return re.findall(r"^### (.+)$", text, re.MULTILINE)


def test_every_error_has_a_section() -> None:
    assert sorted(sections("By error")) == sorted(PUBLIC_NAMES)


def test_every_check_of_the_doctor_stands_in_the_table() -> None:
    table = PAGE.split("\n## Is everything there?\n")[1].split("\n## ")[0]
    listed = [name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in row.split(", ")]
    assert listed == [f"`{check.name}`" for check in CHECKS]


def test_every_alarm_has_a_section(template: dict[str, Any]) -> None:
    alarms = of_type(template, "AWS::CloudWatch::Alarm").values()
    named = {re.sub(r"-reward-.+-errors$", "-reward-NAME-errors", alarm["AlarmName"]) for alarm in alarms}
    assert {name.replace("tunestep-", "STACK-", 1) for name in named} == set(sections("By alarm"))
