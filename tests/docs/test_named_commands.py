"""Commands that a page names and no test runs: the command, its subcommand and every option exist."""

import re
import shlex
from collections.abc import Iterator

import botocore.session
import click
import pytest
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from tests.docs.exempt import FOR_AN_ACCOUNT
from tests.docs.pages import (
    PAGES,
    ROOT,
    Block,
    blocks,
    blocks_of,
    commands,
    every_block,
    lines,
    spans,
    without_blocks,
)
from tunestep.cli.main import COMMANDS, cli
from tunestep.operate.leftovers import leftovers

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
LANGUAGES = {"console", "sh", "json", "yaml", "python", "mermaid", "text"}
AWS_OWN = {"s3"}
"""Commands of the AWS CLI that no service model describes."""
AWS_GLOBAL = {"cli-binary-format", "profile", "region"}


def named(beginning: str) -> list[str]:
    """Every command of the pages that begins so, from blocks and from sentences."""
    shown = [line for _, line in commands()]
    shown += [line for block in blocks("sh") for line in lines(block)]
    found = [*shown, *(code for _, code in spans())]
    return sorted({code.removeprefix(".venv/bin/") for code in found if beginning_of(code) == beginning})


def beginning_of(code: str) -> str:
    return code.removeprefix(".venv/bin/").partition(" ")[0]


def options(words: list[str]) -> Iterator[str]:
    for word in words:
        if word == "--":
            return
        if word.startswith("-"):
            yield word.partition("=")[0]


def unknown_to_tunestep(command: str) -> list[str]:
    """What of a `tunestep ...` the command line does not have."""
    words = shlex.split(command)[1:]
    at: click.Command = cli
    while isinstance(at, click.Group) and words and not words[0].startswith("-"):
        found = COMMANDS.get(words[0]) if at is cli else at.commands.get(words[0])
        if found is None:
            return [words[0]]
        at = at.get_command(click.Context(at), words.pop(0)) or at
    known = {name for parameter in at.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return [option for option in options(words) if option not in known | {"--help"}]


def unknown_to_aws(command: str) -> list[str]:
    """What of an `aws ...` the service's model does not have."""
    _, service, *words = shlex.split(command)
    if service in AWS_OWN or not words:
        return []
    try:
        model = botocore.session.get_session().get_service_model(service)
    except UnknownServiceError:
        return [service]
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if words[0] not in operations:
        return [words[0]]
    shape = model.operation_model(operations[words[0]]).input_shape
    members = {xform_name(name, "-") for name in (shape.members if shape else ())}
    known = members | {f"no-{name}" for name in members} | AWS_GLOBAL
    return [option for option in options(words[1:]) if option.removeprefix("--") not in known]


def test_a_block_within_a_list_is_seen_and_taken_without_its_indent() -> None:
    page = "1. Do this:\n\n   ```sh\n   one \\\n     two\n   ```\n\n2. Then\n\n~~~json\n{}\n~~~\n"
    first, second = blocks_of("page", page)
    assert first == Block("page", "sh", "one \\\n  two\n")
    assert lines(first) == ["one two"]
    assert second == Block("page", "json", "{}\n")


def test_every_fence_belongs_to_a_block_of_a_known_kind() -> None:
    found = every_block()
    assert {block.language for block in found} <= LANGUAGES
    assert [block for block in found if re.search(r"^\s*(```|~~~)", block.text, re.MULTILINE)] == []


def test_no_command_hides_in_a_block_that_is_no_command_s() -> None:
    hidden = re.compile(r"^\s*(\.venv/bin/|tunestep |make |aws |pip |python3? |npx |export )", re.MULTILINE)
    assert [block for block in blocks("text") if hidden.search(block.text)] == []


def test_no_code_is_set_apart_by_its_indent_alone() -> None:
    """Such a block has no kind, so nothing here would read it."""
    set_apart = re.compile(r"^\n( {4,}\S.*\n)+(?= *\n)", re.MULTILINE)
    assert [page for page in PAGES if set_apart.search(without_blocks(page))] == []


def test_each_line_for_an_account_is_listed_with_its_reason() -> None:
    shown = [line for block in blocks("sh") for line in lines(block)]
    assert sorted(shown) == sorted(FOR_AN_ACCOUNT)


@pytest.mark.parametrize("command", named("tunestep"))
def test_a_command_that_is_named_exists_with_its_options(command: str) -> None:
    assert unknown_to_tunestep(command) == []


@pytest.mark.parametrize("command", named("aws"))
def test_a_command_of_aws_that_is_named_exists_with_its_options(command: str) -> None:
    assert unknown_to_aws(command) == []


@pytest.mark.parametrize("command", named("make"))
def test_a_target_that_is_named_exists(command: str) -> None:
    words = [word for word in shlex.split(command)[1:] if not word.startswith("-")]
    assert [word for word in words if not re.search(rf"^{re.escape(word)}:", MAKEFILE, re.MULTILINE)] == []


@pytest.mark.parametrize(
    "command",
    [
        command
        for one in leftovers("tunestep", "BUCKET", mlflow_app=True)
        for command in one.commands
        if command.startswith("aws ")
    ],
)
def test_what_destroy_says_removes_the_rest_exists(command: str) -> None:
    assert unknown_to_aws(command) == []


def test_what_does_not_exist_is_found() -> None:
    """The judges of this file, judged."""
    assert unknown_to_tunestep("tunestep reward tset NAME") == ["tset"]
    assert unknown_to_tunestep("tunestep run REQUEST --lokal") == ["--lokal"]
    assert unknown_to_aws("aws sqs receive-message --queue URL") == ["--queue"]
    assert unknown_to_aws("aws sqs receive") == ["receive"]
