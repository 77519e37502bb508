"""`tunestep deploy` and `destroy`: the command that is printed is the one that runs, and what is refused."""

import json
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.in_process import tunestep
from tests.support.answering import Answers, answering
from tests.support.world_clients import Refused
from tunestep.aws import Clients
from tunestep.cli import deploy
from tunestep.cli.failure import CliError
from tunestep.cli.target import Target
from tunestep.operate import deploying
from tunestep.operate.deploying import CannotDeploy
from tunestep.operate.leftovers import leftovers

SPY = """
const fs = require("fs");
fs.writeFileSync("seen.json", JSON.stringify({argv: process.argv.slice(2), region: process.env.AWS_REGION}));
process.exit(Number(process.env.SPY_EXIT || 0));
"""


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone, with a space in its name, whose CDK writes down what it was asked for."""
    root, work = tmp_path / "a clone", tmp_path / "work"
    (root / deploying.SCRIPT).parent.mkdir(parents=True)
    work.mkdir()
    (root / "app.py").touch()
    (root / "package-lock.json").write_text((deploying.REPOSITORY / "package-lock.json").read_text())
    locked = json.loads((root / "package-lock.json").read_text())["packages"]["node_modules/aws-cdk"]
    (root / deploying.CDK / "package.json").write_text(json.dumps({"version": locked["version"]}))
    (root / deploying.SCRIPT).write_text(SPY)
    monkeypatch.setattr(deploying, "REPOSITORY", root)
    monkeypatch.chdir(work)
    return root


def seen(clone: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((clone / "seen.json").read_text())
    return found


def test_what_is_printed_is_what_runs(clone: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("my stage.yaml").write_text("stack: tunestep-staging\nregion: us-west-2\n")
    done = tunestep(
        capfd, "deploy", "--settings", "my stage.yaml", "--profile", "p", "--", "--require-approval", "never"
    )
    assert done.code == 0, done.err
    argv = seen(clone)["argv"]
    assert argv == [
        *("deploy", "tunestep-staging"),
        *("--context", f"settings={Path('my stage.yaml').absolute()}"),
        *("--profile", "p", "--require-approval", "never"),
    ]
    assert seen(clone)["region"] == "us-west-2"
    line = done.out.splitlines()[0]
    words = shlex.split(line.removeprefix("(").removesuffix(")"))
    assert words[:3] == ["cd", str(clone), "&&"]
    assert "AWS_REGION=us-west-2" in words
    assert words[-len(argv) :] == argv
    assert "tunestep doctor --stack tunestep-staging" in done.out


def test_a_dry_run_prints_and_runs_nothing(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = tunestep(capsys, "deploy", "--dry-run")
    assert (done.code, "deploy tunestep)" in done.out) == (0, True)
    assert not (clone / "seen.json").exists()


def test_wrong_settings_are_all_told_before_anything_starts(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("tunestep.yaml").write_text("stacc: x\nlog_retention_days: many\n")
    done = tunestep(capsys, "deploy")
    assert done.code == 2
    assert "stacc" in done.err and "log_retention_days" in done.err and "settings check" in done.err
    assert not (clone / "seen.json").exists()


def test_cdk_s_failure_is_the_command_s(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPY_EXIT", "3")
    done = tunestep(capsys, "deploy")
    assert (done.code, "exit code 3" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda root: (root / "app.py").unlink(), "no clone of Tunestep"),
        (lambda root: (root / deploying.CDK / "package.json").unlink(), "not installed"),
        (
            lambda root: (root / deploying.CDK / "package.json").write_text('{"version": "2.0.0"}'),
            "is pinned",
        ),
    ],
)
def test_without_the_pinned_cdk_it_says_which_command_installs_it(
    break_it: Any, said: str, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it(clone)
    done = tunestep(capsys, "deploy")
    assert done.code == 1
    assert said in done.err
    assert "clone" in done.err if "no clone" in said else " cdk (it is npm ci" in done.err


def test_an_old_node_is_passed_over_and_none_at_all_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v18.20.1\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    assert deploying.node_program(str(tmp_path)) != str(old)
    monkeypatch.setattr(deploying.node, "wheel", lambda: None)
    with pytest.raises(CannotDeploy, match=r"node on the PATH is 18. Run: make setup"):
        deploying.node_program(str(tmp_path))
    with pytest.raises(CannotDeploy, match="there is no node"):
        deploying.node_program(str(tmp_path / "nothing"))


def item(**fields: str) -> dict[str, Any]:
    return {name: {"S": value} for name, value in fields.items()}


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[Answers, Clients]]:
    answers: Answers = {}
    with pytest.MonkeyPatch.context() as patch:
        yield answers, answering(answers, patch)


@pytest.mark.parametrize(
    ("executions", "items", "named"),
    [
        (["r-live"], [], ["r-live"]),
        ([], [item(run_id="r-start", status="STARTED")], ["r-start"]),
        ([], [item(run_id="r-stop", status="STOPPING")], ["r-stop"]),
        (["r-both"], [item(run_id="r-both", status="STARTED")], ["r-both"]),
        ([], [item(run_id="r-done", status="ENDED", outcome="SUCCEEDED")], []),
        (None, None, []),
    ],
)
def test_a_stack_is_not_deleted_while_a_run_is_under_way(
    executions: list[str] | None,
    items: list[Any] | None,
    named: list[str],
    account: tuple[Answers, Clients],
) -> None:
    answers, clients = account
    shape = {"executionArn": "e", "stateMachineArn": "m", "status": "RUNNING", "startDate": 0}
    answers["ListExecutions"] = (
        Refused("StateMachineDoesNotExist")
        if executions is None
        else {"executions": [{**shape, "name": name} for name in executions]}
    )
    answers["Query"] = Refused("ResourceNotFoundException") if items is None else {"Items": items}
    target = Target(
        stack="tunestep", region="us-west-2", account="1" * 12, clients=clients, flag="--stack tunestep"
    )
    if not named:
        deploy._no_live_runs(target)
        return
    with pytest.raises(CliError, match="Nothing was deleted") as refused:
        deploy._no_live_runs(target)
    assert refused.value.message.startswith(f"{len(named)} run is under way: {named[0]}.")
    assert "tunestep stop RUN --stack tunestep" in refused.value.message


def test_everything_that_stays_is_named_with_the_commands_that_remove_it() -> None:
    said = str(leftovers("tunestep", "tunestep-111122223333-us-west-2"))
    for name in ("bucket tunestep-111122223333", "tunestep-runs", "tunestep-evidence"):
        assert name in said
    assert said.index("--no-deletion-protection") < said.index("delete-table --table-name tunestep-evidence")
