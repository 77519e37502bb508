"""What the pages claim: links resolve, what is shown parses and runs, fields stand there, proofs exist."""

import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from reward_functions.kit.try_out import row
from tests.docs.pages import PAGES, ROOT, Block, anchors, blocks, commands, links
from tests.docs.test_commands import NOT_RUN
from tunestep import names, settings, settings_faults
from tunestep.request import parse

SCHEMA = json.loads((ROOT / "tunestep" / "request.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("page", "target"), [link for link in links() if "://" not in link[1]])
def test_a_relative_link_leads_somewhere(page: Path, target: str) -> None:
    name, _, fragment = target.partition("#")
    found = (page.parent / name).resolve() if name else page
    assert found.exists()
    assert not fragment or fragment in anchors(found)


REQUESTS = [block for block in blocks("json") if block.text.startswith("{")]
EVENTS = [block for block in blocks("json") if block.text.startswith("[")]


@pytest.mark.parametrize("block", REQUESTS, ids=lambda block: block.page)
def test_a_request_that_is_shown_is_one(block: Block) -> None:
    assert parse(json.loads(block.text))


@pytest.mark.parametrize("block", EVENTS, ids=lambda block: block.page)
def test_events_that_are_shown_ask_for_what_they_say(block: Block) -> None:
    entries = json.loads(block.text)
    shape = botocore.session.get_session().get_service_model("events").operation_model("PutEvents")
    assert not ParamValidator().validate({"Entries": entries}, shape.input_shape).has_errors()
    for entry in entries:
        assert entry["EventBusName"] == names.bus_name("tunestep")
        assert entry["DetailType"] == names.DETAIL_REQUESTED
        assert not entry["Source"].startswith("aws.")
        detail = json.loads(entry["Detail"])
        if "request" in detail:
            assert parse(detail["request"])
        else:
            assert re.fullmatch(names.NAME_PATTERN, detail["preset"])
            assert set(detail) <= {"preset", "training_data"}


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.page)
def test_settings_that_are_shown_are_settings(block: Block) -> None:
    shown = yaml.safe_load(block.text)
    assert settings.check(shown) != settings.Settings()
    assert settings_faults.faults(shown) == []


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.page)
def test_a_reward_that_is_shown_scores(block: Block) -> None:
    shown: dict[str, Any] = {}
    exec(compile(block.text, block.page, "exec"), shown)  # noqa: S102 - a page of our own
    answered = shown["handler"]([row("42", "42"), row("41", "42"), row("42", None)])
    scored = [
        (item["aggregate_reward_score"], len(item["metrics_list"])) for item in json.loads(answered["body"])
    ]
    assert [score for score, _ in scored] == [1.0, 0.0, 0.0]
    assert scored[2][1] > scored[1][1]


def test_commands_that_are_run_are_written_as_they_are_found() -> None:
    """In a fresh clone no environment is active, and a prompt cannot be pasted."""
    shown = [line for _, line in commands() if line not in NOT_RUN]
    assert [line for line in shown if line.startswith(("$ ", "tunestep "))] == []


def test_something_of_each_kind_is_shown() -> None:
    assert REQUESTS
    assert EVENTS
    assert blocks("yaml")
    assert blocks("python")


def fields(schema: dict, seen: set[str] | None = None) -> set[str]:  # type: ignore[type-arg]
    """Names of every property below a schema."""
    names = seen if seen is not None else set()
    for key, value in schema.items():
        if key == "properties":
            names |= set(value)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                fields(part, names)
    return names


@pytest.mark.parametrize("field", sorted(fields(SCHEMA)))
def test_every_field_of_the_request_is_described(field: str) -> None:
    page = (ROOT / "docs" / "request.md").read_text(encoding="utf-8")
    assert re.search(rf"`[^`\n]*\b{field}\b[^`\n]*`", page)


@pytest.mark.parametrize("name", ["limits.md", "architecture.md", "security.md"])
def test_every_test_that_a_page_names_exists(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[^`]+)`", page)
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_claim_names_its_proof() -> None:
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    table = page.split("## Claims and their proofs")[1].split("\n## ")[0]
    claims = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| claim")]
    assert len(claims) > 15
    assert [claim for claim in claims if "`tests/" not in claim.split("|")[2]] == []


def test_the_readme_leads_to_every_page_once() -> None:
    led = [(page.parent / target).resolve() for page, target in links() if page == ROOT / "README.md"]
    assert sorted(path for path in led if path in PAGES) == sorted(
        page for page in PAGES if page.parent == ROOT / "docs" or page.name == "CONTRIBUTING.md"
    )


def test_every_function_stands_in_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = page.split("| called by | functions |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == set(names.FUNCTIONS)
