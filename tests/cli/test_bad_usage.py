"""Bad usage and bad requests: one clear message on stderr, exit code 2, JSON where asked for."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.in_process import tunestep
from tunestep.cli import plan, runs
from tunestep.cli.failure import CliError
from tunestep.cli.main import COMMANDS

GOOD = {"use_case": "u", "technique": "SFT", "base_model": "m", "training_data": "s3://bucket/key"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a good request, no settings, no laptop cloud, and no AWS configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNESTEP_HOME", raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "good.json").write_text(json.dumps(GOOD))
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "wrong.json").write_text('{"use_case": "u"}')
    return tmp_path


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("bogus", 2, "there is no command 'bogus'. See tunestep --help."),
        ("statsu", 2, "Did you mean status?"),
        ("run", 2, "Missing argument 'REQUEST'"),
        (
            "stop",
            2,
            "Missing argument 'RUN'. `tunestep status --local` (or --stack NAME) lists the runs. See ",
        ),
        ("preset add", 2, "See tunestep preset add --help."),
        ("run good.json", 2, "say where: --local for this machine, or --stack NAME"),
        ("plan good.json", 2, "say where: --local for this machine, or --stack NAME"),
        ("run good.json --local --stack a", 2, "--local and --stack exclude each other"),
        ("status --local --stack a", 2, "--local and --stack exclude each other"),
        ("run good.json --stack a --world w.json", 2, "--world goes with --local"),
        ("plan good.json --world w.json", 2, "--world goes with --local"),
        ("plan good.json --local --world w.json", 2, "there is no world file w.json"),
        ("plan good.json --local --world list.json", 2, "list.json: $: must be an object, not a list"),
        ("plan good.json --local --world .", 2, "is a directory"),
        ("plan good.json --local --region eu-west-1", 2, "--profile and --region are for --stack"),
        ("plan good.json --local --settings s.yaml", 2, "there is no settings file s.yaml"),
        ("status --colour", 2, "No such option"),
        ("preset add Bad_Name good.json --local", 2, "PRESET_NAME_INVALID"),
        ("preset add ok list.json --local", 2, "a request is an object"),
        ("preset add ok absent.json --local", 2, "no such file"),
        ("preset add ok wrong.json --local", 2, "MISSING_FIELD"),
        ("preset add ok good.json --continue --local", 2, "PRESET_WITHOUT_GROUP"),
        ("preset remove ../x --local", 2, "PRESET_NAME_INVALID"),
        ("preset add ok good.json", 2, "say where: --local"),
        ("status --local", 1, "no laptop cloud runs from"),
        ("results --local", 1, "start one: tunestep local start"),
        ("decline some-run --local", 2, "Missing option '--reason'"),
        ("status --stack a --profile nobody", 1, "The config profile (nobody) could not be found"),
        ("status --stack a --region us-west-2", 1, "no AWS credentials for stack a"),
        ("local", 2, "Usage: tunestep local"),
        ("local begin", 2, "No such command"),
    ],
)
def test_bad_usage_is_one_message_and_an_exit_code(
    line: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = tunestep(capsys, *line.split())
    assert outcome.code == code
    assert message in outcome.err + outcome.out
    assert not outcome.out


def test_an_empty_run_id_is_not_taken_for_the_latest_run() -> None:
    with pytest.raises(CliError, match="is a variable unset"):
        runs.resolve(None, " ")  # type: ignore[arg-type]


GROUPS = {"local", "reward", "data", "preset", "approvers", "settings"}
OF_THE_SETTINGS = {"deploy", "destroy"}
"""Their stack is that of the settings file, never the laptop's, and CDK's output is all they print."""
IN_GROUPS = ("preset add", "preset list", "preset remove", "approvers list", "approvers confirm")


ALONE = sorted(set(COMMANDS) - GROUPS - OF_THE_SETTINGS)


@pytest.mark.parametrize("command", [*ALONE, *IN_GROUPS])
def test_every_command_tells_its_options_and_speaks_json(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = tunestep(capsys, *command.split(), "--help")
    assert outcome.code == 0
    assert outcome.err == ""
    assert {"--local", "--stack", "--profile", "--region", "--settings", "--json"} <= set(
        re.findall(r"--[a-z-]+", outcome.out)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        ("cut.json", b'{"use_case": ', "line 1"),
        ("cut.yaml", b"use_case: [", "not YAML"),
        ("alias.yaml", b"a: &x 1\nb: *x\n", "alias"),
        ("twice.json", b'{"a": 1, "a": 2}', "twice"),
        ("nan.json", b'{"a": NaN}', "NaN"),
        ("binary.json", bytes(range(256)), "UTF-8"),
        ("empty.yaml", b"", "object"),
        ("note.txt", b"hello", "JSON object"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_file_that_is_no_request_is_told_so_before_anything_starts(
    command: str, wrong: tuple[str, bytes, str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, content, message = wrong
    (folder / name).write_bytes(content)
    outcome = tunestep(capsys, command, name, "--local", "--json")
    assert outcome.code == 2
    assert name in outcome.err
    assert message.lower() in outcome.err.lower()
    assert outcome.json["error"]
    assert not (folder / ".tunestep").exists()


def test_missing_files_and_folders_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "folder.json").mkdir()
    for name in ("absent.json", "folder.json"):
        outcome = tunestep(capsys, "run", name, "--local")
        assert (outcome.code, outcome.out) == (2, "")
        assert name in outcome.err


def test_a_request_of_50_mb_is_never_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "large.json").open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    outcome = tunestep(capsys, "run", "large.json", "--local")
    assert outcome.code == 2
    assert "52,428,800 bytes, and at most 262,144 are read" in outcome.err


def test_all_faults_of_a_request_are_listed_at_once_with_their_paths(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {"use_case": 7, "technique": "SFTT", "base_modle": "x", "limits": {"max_runtime": "soon"}}
    (folder / "wrong.json").write_text(json.dumps(wrong))
    outcome = tunestep(capsys, "plan", "wrong.json", "--local", "--json")
    where = {finding["where"] for finding in outcome.json["findings"]}
    expected = {"$.use_case", "$.technique", "$.base_modle", "$.limits.max_runtime", "$.training_data"}
    assert where >= expected
    assert outcome.code == 2
    assert all(path in outcome.err for path in expected)
    assert "base_model" in outcome.err, "the nearest name"


def test_a_local_data_file_that_is_not_there_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "request.json").write_text(json.dumps(GOOD | {"training_data": "rows.jsonl"}))
    (folder / "world.json").write_text("{}")
    outcome = tunestep(capsys, "plan", "request.json", "--local", "--world", "world.json")
    assert outcome.code == 2
    assert "$.training_data: there is no file rows.jsonl" in outcome.err


def test_a_fault_of_the_command_itself_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(path: str) -> None:
        raise ZeroDivisionError("of all \x1b[31mthings")

    monkeypatch.setattr(plan.requests, "read", broken)
    outcome = tunestep(capsys, "plan", "good.json", "--local", "--json")
    assert outcome.code == 1
    assert "unexpected ZeroDivisionError: of all \\u001b[31mthings" in outcome.err
    assert "ZeroDivisionError" in outcome.json["error"]
