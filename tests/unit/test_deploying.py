"""`tunestep deploy` and `destroy`: the command that is printed is the one that runs, and what is refused."""

import io
import json
import os
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


NO_RUNS: Answers = {"ListExecutions": {"executions": []}, "Query": {"Items": []}}


def running(*executions: str) -> dict[str, Any]:
    shape = {"executionArn": "e", "stateMachineArn": "m", "status": "RUNNING", "startDate": 0}
    return {"executions": [{**shape, "name": name} for name in executions]}


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


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[Answers, Clients]]:
    answers: Answers = {}
    with pytest.MonkeyPatch.context() as patch:
        yield answers, answering(answers, patch)


@pytest.fixture
def here(account: tuple[Answers, Clients], monkeypatch: pytest.MonkeyPatch) -> Answers:
    """An account without runs, which every profile leads to; its answers."""
    answers, clients = account
    answers.update(NO_RUNS)

    def opened(*, stack: str, profile: str | None, region: str | None, **_: Any) -> Target:
        place = region or "us-west-2"
        flag = f"--stack {stack}" + (f" --profile {profile}" if profile else "") + f" --region {place}"
        return Target(stack=stack, region=place, account="1" * 12, clients=clients, flag=flag)

    monkeypatch.setattr(deploy, "open_target", opened)
    return answers


def without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def seen(clone: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((clone / "seen.json").read_text())
    return found


def test_what_is_printed_is_what_runs(clone: Path, here: Answers, capfd: pytest.CaptureFixture[str]) -> None:
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
    clone: Path, here: Answers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPY_EXIT", "3")
    done = tunestep(capsys, "deploy")
    assert (done.code, "exit code 3" in done.err) == (1, True)
    assert "Next:" not in done.out


def test_missing_credentials_are_told_before_cdk_starts(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_credentials(monkeypatch)
    for arguments in (["deploy"], ["deploy", "--bootstrap"], ["destroy", "--yes"]):
        done = tunestep(capsys, *arguments, "--region", "us-west-2")
        assert done.code == 1
        assert "no AWS credentials for stack tunestep: name a profile with --profile" in done.err
    assert not (clone / "seen.json").exists()


@pytest.mark.parametrize("arguments", [["deploy"], ["deploy", "--bootstrap"], ["destroy", "--yes"]])
def test_credentials_of_another_account_than_the_settings_name_are_refused(
    arguments: list[str], clone: Path, here: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("tunestep.yaml").write_text('account: "222222222222"\nregion: us-west-2\n')
    done = tunestep(capsys, *arguments)
    assert done.code == 2
    assert "for account 222222222222, and these credentials are of 111111111111" in done.err
    assert not (clone / "seen.json").exists()


def test_an_account_is_bootstrapped_by_the_pinned_cdk(
    clone: Path, here: Answers, capfd: pytest.CaptureFixture[str]
) -> None:
    done = tunestep(capfd, "deploy", "--bootstrap", "--profile", "p", "--", "--termination-protection")
    assert done.code == 0, done.err
    assert seen(clone)["argv"] == [
        *("bootstrap", "aws://111111111111/us-west-2"),
        *("--profile", "p", "--termination-protection"),
    ]
    assert "Next: tunestep deploy, with the same options" in done.out


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
    answers["ListExecutions"] = (
        Refused("StateMachineDoesNotExist") if executions is None else running(*executions)
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


def test_a_stack_is_deleted_by_cdk_after_its_name_was_typed(
    clone: Path, here: Answers, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("tunestep.yaml").write_text("stack: tunestep-staging\nregion: us-west-2\nmlflow_app: create\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("tunestep-staging\n"))
    done = tunestep(capfd, "destroy", "--stack", "tunestep-staging", "--profile", "p")
    assert done.code == 0, done.err
    settings_file = Path("tunestep.yaml").absolute()
    assert seen(clone)["argv"] == [
        *(
            "destroy",
            "tunestep-staging",
            "--context",
            f"settings={settings_file}",
            "--profile",
            "p",
            "--force",
        )
    ]
    stays, asks = done.out.index("What stays"), done.out.index("Type tunestep-staging to delete it")
    assert stays < asks < done.out.index("bin/cdk destroy") < done.out.index("is deleted")
    assert "from 111111111111 us-west-2" in done.out
    for kept in (
        "bucket tunestep-staging-111111111111-us-west-2",
        "table tunestep-staging-runs",
        "-evidence",
    ):
        assert kept in done.out
    assert "MLflow app tunestep-staging-metrics" in done.out


def test_nothing_is_deleted_without_the_very_name(
    clone: Path, here: Answers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for typed, said in (("tunestep-prod\n", "that is another name"), ("", "--yes asks nothing")):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        done = tunestep(capsys, "destroy")
        assert (done.code, said in done.err, "nothing was deleted" in done.err) == (1, True, True)
        assert not (clone / "seen.json").exists()


@pytest.mark.parametrize("how", ["--yes", "--dry-run"])
def test_neither_yes_nor_a_dry_run_lets_a_stack_be_deleted_while_a_run_is_under_way(
    how: str, clone: Path, here: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    here["ListExecutions"] = running("r-live")
    done = tunestep(capsys, "destroy", how)
    assert done.code == 1
    assert "1 run is under way: r-live. Nothing was deleted." in done.err
    assert "tunestep stop RUN --stack tunestep" in done.err
    assert not (clone / "seen.json").exists()


def test_a_dry_run_of_a_deletion_says_what_stays_and_runs_nothing(
    clone: Path, here: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    done = tunestep(capsys, "destroy", "--dry-run")
    assert (done.code, "What stays" in done.out, "destroy tunestep --force)" in done.out) == (0, True, True)
    assert "is deleted" not in done.out
    assert not (clone / "seen.json").exists()


def test_a_deletion_that_cdk_could_not_end_is_not_called_one(
    clone: Path, here: Answers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPY_EXIT", "1")
    done = tunestep(capsys, "destroy", "--yes")
    assert (done.code, "exit code 1" in done.err, "is deleted" in done.out) == (1, True, False)


def test_nothing_is_deleted_when_runs_cannot_be_looked_for(
    clone: Path, here: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    here["ListExecutions"] = Refused("AccessDeniedException")
    done = tunestep(capsys, "destroy", "--yes")
    assert (done.code, "could not look for runs of stack tunestep" in done.err) == (1, True)
    assert not (clone / "seen.json").exists()


def test_the_stack_that_is_named_has_to_be_that_of_the_settings(
    clone: Path, here: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    done = tunestep(capsys, "destroy", "--stack", "tunestep-prod", "--yes")
    assert (done.code, "name the file of that stage with --settings" in done.err) == (2, True)
    assert not (clone / "seen.json").exists()


def test_everything_that_stays_is_named_with_the_commands_that_remove_it() -> None:
    said = str(leftovers("tunestep", "tunestep-111122223333-us-west-2"))
    for name in ("bucket tunestep-111122223333", "tunestep-runs", "tunestep-evidence"):
        assert name in said
    assert said.index("--no-deletion-protection") < said.index("delete-table --table-name tunestep-evidence")
