"""Text that requests and services bring is shown, never acted upon, and never cut."""

import datetime
import io
import json
from typing import Any

import pytest
from rich.console import Console

from tests.cli.in_process import tunestep
from tunestep.cli import advice, failure, render, results, runs, status
from tunestep.cli.target import Target

NOW = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)
HOSTILE = "[red]x[/red] [link=http://evil]y[/link] :smile: \x1b[31mz \u202egnp.exe"
SHOWN = "[red]x[/red] [link=http://evil]y[/link] :smile: \\u001b[31mz \\u202egnp.exe"
ARN = "arn:aws:sagemaker:us-west-2:123456789012:model-package/" + "g" * 63 + "/12345"
TARGET = Target(stack="tunestep", region="us-west-2", account="123456789012", clients=None, flag="--local")  # type: ignore[arg-type]


def seen(**changes: Any) -> runs.RunView:
    facts: dict[str, Any] = {
        "run_id": "support-1234abcd-1",
        "status": "FAILED",
        "started": NOW,
        "ended": NOW,
        "visits": (runs.StateVisit(name="AwaitApproval", entered=NOW, left=NOW),),
        "document": {"approval": {"decision": "DECLINED", "actor": HOSTILE}},
        "error": "ApprovalDeclined",
        "cause": HOSTILE,
    }
    return runs.RunView(**facts | changes)


def printed(width: int, *things: Any) -> str:
    out = Console(
        file=io.StringIO(), width=width, force_terminal=False, soft_wrap=True, markup=False, emoji=False
    )
    for thing in things:
        out.print(thing)
    text: str = out.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_a_cause_and_an_actor_are_escaped_in_the_picture_of_a_run() -> None:
    text = printed(300, render.panel(seen()))
    assert f"ApprovalDeclined: {SHOWN}" in text
    assert f"by {SHOWN}" in text


def test_a_cause_is_escaped_in_lines_for_a_pipe() -> None:
    assert SHOWN in "\n".join(status._lines(seen(), as_json=False))


def test_a_failure_is_escaped_on_stderr_and_exact_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    failure.show(failure.CliError(HOSTILE), as_json=True)
    out, err = capsys.readouterr()
    assert err == f"tunestep: {SHOWN}\n"
    assert out.isascii()
    assert json.loads(out)["error"] == HOSTILE


def test_the_console_takes_no_text_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    render.console().print("[red]x[/red] :smile:")
    assert capsys.readouterr().out == "[red]x[/red] :smile:\n"


def test_a_use_case_is_escaped_in_a_plan(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    request = {"use_case": HOSTILE, "technique": HOSTILE, "base_model": "m", "training_data": "s3://b-b/k"}
    (tmp_path / "r.json").write_text(json.dumps(request))
    outcome = tunestep(capsys, "plan", "r.json", "--local")
    assert outcome.code == 2
    assert "\x1b" not in outcome.err and "\u202e" not in outcome.err


@pytest.mark.parametrize("width", [20, 40, 80])
def test_an_arn_is_never_cut_whatever_the_width(width: int) -> None:
    out = Console(file=io.StringIO(), width=width, soft_wrap=True, markup=False)
    render.print_facts(out, [("model package", ARN)])
    assert ARN in out.file.getvalue()  # type: ignore[attr-defined]
    lines = results._epochs([{"epoch": 1, "a_rather_long_metric_name": 0.5, "another_long_metric_name": 1.5}])
    text = printed(width, *lines)
    assert "a_rather_long_metric_name" in text and "1.5000" in text and "…" not in text


@pytest.mark.parametrize(
    ("changes", "commands"),
    [
        ({"status": "RUNNING", "visits": ("AwaitTraining",)}, ["watch", "stop"]),
        ({"status": "RUNNING", "visits": ("AwaitApproval",)}, ["approve", "decline", "stop"]),
        ({"status": "RUNNING", "visits": ("CleanUp",)}, ["watch"]),
        ({"status": "SUCCEEDED", "visits": ("Done",), "error": ""}, ["results"]),
        ({"error": "PrerequisitesNotMet"}, ["run", "report"]),
        ({"error": "TrainingJobFailed"}, ["retry", "report"]),
        ({"error": "StoppedByUser"}, ["retry", "report"]),
    ],
)
def test_next_commands_are_those_of_the_state_the_run_is_in(
    changes: dict[str, Any], commands: list[str]
) -> None:
    visits = tuple(runs.StateVisit(name=name, entered=NOW) for name in changes.pop("visits", ()))
    advised = advice.next_commands(seen(visits=visits, **changes), TARGET)
    assert [command.split("tunestep ")[1].split()[0] for command in advised] == commands
    assert all("--local" in command for command in advised)
