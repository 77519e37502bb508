"""``tunestep reward``: a reward of one's own tried on one's own rows, without any cloud."""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from botocore.exceptions import ClientError

from tests.certify import style_template
from tests.certify.support import lines, products
from tests.cli.in_process import tunestep
from tunestep.cli import reward
from tunestep.cli.reward_file import FileReward

ROOT = Path(__file__).resolve().parents[2]
GOOD = ROOT / "reward_functions" / "math_answer.py"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, where commands are run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_bytes(lines(products()))
    return tmp_path


def test_a_good_reward_is_certified(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = tunestep(capsys, "reward", "test", str(GOOD), "--data", "rows.jsonl", "--json")
    assert outcome.code == 0
    assert outcome.json["ok"] is True
    assert {probe["outcome"] for probe in outcome.json["probes"]} == {"pass"}
    assert outcome.json["contract"] == "open-weights"


def test_a_reward_of_the_library_needs_no_path(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = tunestep(capsys, "reward", "test", "math_answer", "--data", "rows.jsonl", "--json")
    assert (outcome.code, Path(outcome.json["function"])) == (0, GOOD)


def test_a_bad_reward_is_shown_with_its_worst_rows(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = tunestep(capsys, "reward", "test", str(style_template.__file__), "--data", "rows.jsonl")
    assert outcome.code == 1
    assert "REWARD_GOLD_LOW" in outcome.out
    assert "two answers, right one first  fail" in outcome.out
    assert "What is 2 times 5?" in outcome.out
    assert outcome.out.rstrip().endswith("not certified")


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--contract", "nova"], ["--model", "nova-textgeneration-lite-v2"]])
def test_the_family_decides_the_contract(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    outcome = tunestep(capsys, "reward", "test", str(GOOD), "--data", "rows.jsonl", "--json", *options)
    assert (outcome.code, outcome.json["contract"]) == (0, "nova")


def test_thresholds_are_the_callers(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["reward", "test", str(style_template.__file__), "--data", "rows.jsonl", "--json"]
    outcome = tunestep(capsys, *asked, "--min-gold", "0.5", "--max-wrong", "1", "--sample", "5")
    assert {finding["code"] for finding in outcome.json["findings"]} >= {"REWARD_BATCH_LOST"}
    assert outcome.json["rows"] == 5
    assert "REWARD_GOLD_LOW" not in outcome.out


@pytest.mark.parametrize(
    ("nova", "contract"), [([], "open-weights"), (["--nova"], "nova")], ids=["open weights", "nova"]
)
def test_a_new_reward_can_be_tried_at_once(
    capsys: pytest.CaptureFixture[str], project: Path, nova: list[str], contract: str
) -> None:
    (project / "reward_functions").mkdir()
    outcome = tunestep(capsys, "reward", "new", "my_reward", *nova)
    assert outcome.code == 0
    assert "tunestep reward test reward_functions/my_reward.py" in outcome.out
    again = tunestep(capsys, "reward", "new", "my_reward")
    assert (again.code, "exists already" in again.err) == (2, True)
    asked = [
        "reward",
        "test",
        "reward_functions/my_reward.py",
        "--data",
        "rows.jsonl",
        "--contract",
        contract,
    ]
    assert tunestep(capsys, *asked, "--json").json["ok"] is True


def test_the_librarys_rewards_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {entry["name"] for entry in tunestep(capsys, "reward", "list", "--json").json}
    assert {"math_answer", "multiple_choice", "exact_match"} <= listed
    assert "math_answer" in tunestep(capsys, "reward", "list").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["test", "absent.py", "--data", "rows.jsonl"], "no file absent.py"),
        (["test", str(GOOD), "--data", "absent.jsonl"], "cannot read absent.jsonl"),
        (["test", str(GOOD), "--data", "empty.jsonl"], "no row asks a question"),
        (["test", str(GOOD), "--data", "absent.parquet"], "cannot read absent.parquet"),
        (["test", str(GOOD), "--data", "broken.parquet"], "broken.parquet cannot be used"),
        (["test", str(GOOD), "--data", "empty.csv"], "empty.csv cannot be used"),
        (["test", str(GOOD)], "--data"),
        (["test", "no_such_reward", "--data", "rows.jsonl"], "say where"),
        (["test", str(GOOD), "--data", "rows.jsonl", "--local"], "nothing here is"),
        (
            ["test", str(GOOD), "--data", "rows.jsonl", "--contract", "nova", "--model", "x"],
            "exclude each other",
        ),
        (["test", str(GOOD), "--data", "rows.jsonl", "--min-gold", "2"], "min-gold"),
        (["test", str(GOOD), "--data", "s3://b/k"], "say where"),
        (["new", "Bad-Name"], "cannot be a reward's name"),
        (["new", "kit"], "cannot be a reward's name"),
        (["new", "fine"], "no folder reward_functions"),
        (["new", "class"], "a word of Python"),
        (["new", "match"], "a word of Python"),
        (["new", "print"], "a word of Python"),
        (["new", "json"], "a module of Python's library"),
        (["nonsense"], "nonsense"),
    ],
)
def test_bad_usage_is_one_message(
    capsys: pytest.CaptureFixture[str], project: Path, arguments: list[str], said: str
) -> None:
    for name in ("empty.jsonl", "empty.csv"):
        (project / name).write_text("\n")
    (project / "broken.parquet").write_bytes(b"PAR1 and no more")
    outcome = tunestep(capsys, "reward", *arguments)
    assert outcome.code == 2
    assert said in outcome.err


def table(project: Path, name: str) -> Path:
    """The rows as verl stores them, in nested columns."""
    query = "SELECT prompt, reward_model FROM read_json('rows.jsonl')"
    duckdb.connect().execute(f"COPY ({query}) TO '{project / name}' (FORMAT parquet)")
    return project / name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rows.parquet", "rows.json", "folder"])
def test_rows_are_taken_from_every_format_that_a_run_takes(
    capsys: pytest.CaptureFixture[str], project: Path, name: str
) -> None:
    if name == "rows.json":
        (project / name).write_text(json.dumps(products()))
    elif name == "folder":
        (project / name).mkdir()
        (project / name / "a.jsonl").write_bytes(lines(products()[:20]))
        (project / name / "b.jsonl").write_bytes(lines(products()[20:]))
    else:
        table(project, name)
    outcome = tunestep(capsys, "reward", "test", str(GOOD), "--data", name, "--json", "--sample", "10")
    assert (outcome.code, outcome.json["rows"]) == (0, 10), outcome.err
    assert {probe["outcome"] for probe in outcome.json["probes"]} == {"pass"}


def script(project: Path, code: str) -> FileReward:
    (project / "mine.py").write_text(code)
    return FileReward(project / "mine.py", "nova", timeout=1.0)


@pytest.mark.parametrize(
    ("code", "failure", "said"),
    [
        ("this is no Python", "error", "SyntaxError"),
        ("import no_such_module", "error", "ModuleNotFoundError"),
        ("x = 1", "error", "AttributeError"),
        ("raise SystemExit(0)", "error", "SystemExit"),
        ("def handler(event, context): raise ValueError('v')", "error", "ValueError"),
        ("def handler(event, context): return {1, 2}", "error", "TypeError"),
        ("import os\ndef handler(event, context): os._exit(0)", "error", "ended"),
        ("def handler(event, context): return 'x' * 8_000_000", "error", "larger than 6 MB"),
        ("import time\ndef handler(event, context): time.sleep(60)", "timeout", "1 s"),
        ("def handler(event, context):\n    while True: pass", "timeout", "1 s"),
    ],
)
def test_a_file_that_fails_is_told_apart_and_ended(project: Path, code: str, failure: str, said: str) -> None:
    with script(project, code) as reward:
        started = time.monotonic()
        reply = reward.call(b"[]")
        assert (reply.failure, said in reply.message) == (failure, True), reply
        assert time.monotonic() - started < 10


def test_a_file_goes_on_after_a_call_that_was_ended(project: Path) -> None:
    code = "import time\ndef handler(event, context):\n    time.sleep(60 * len(event))\n    return event"
    with script(project, code) as reward:
        assert reward.call(b"[1]").failure == "timeout"
        assert reward.call(b"[]").payload == b"[]"


def test_what_a_file_prints_is_no_answer(project: Path) -> None:
    code = (
        'import os\nprint("{}")\ndef handler(event, context):\n    print("[]")\n    os.system("echo 1")\n'
        "    return event"
    )
    with script(project, code) as reward:
        assert json.loads(reward.call(b"[7]").payload) == [7]


def test_a_file_sees_no_credentials(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "CANARY")
    monkeypatch.setenv("HF_TOKEN", "CANARY")
    code = "import os\ndef handler(event, context): return sorted(os.environ.items())"
    with script(project, code) as reward:
        seen = reward.call(b"[]").payload.decode()
    assert "CANARY" not in seen
    assert '["REWARD_CONTRACT", "nova"]' in seen


def test_a_score_alone_is_served_by_the_kit(project: Path) -> None:
    code = (
        "from reward_functions.kit import Score\n"
        "def score(sample): return Score(float(sample.response == '4'))"
    )
    row = {"id": "a", "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "4"}]}
    with script(project, code) as reward:
        (answer,) = json.loads(reward.call(json.dumps([row]).encode()).payload)
    assert answer["aggregate_reward_score"] == 1.0


def test_nothing_of_a_file_is_left_running(project: Path) -> None:
    code = (
        "import os, subprocess\nP = subprocess.Popen(['sleep', '77'])\n"
        "def handler(event, context): return [os.getpid(), P.pid]"
    )
    with script(project, code) as reward:
        pids = json.loads(reward.call(b"[]").payload)
    for pid in pids:
        state = Path(f"/proc/{pid}/stat")
        deadline = time.monotonic() + 5
        while state.exists() and state.read_text().split()[2] != "Z" and time.monotonic() < deadline:
            os.sched_yield()
        assert not state.exists() or state.read_text().split()[2] == "Z"


class Account:
    """Lambda of an account in which every function exists; counts invocations and knows one tag."""

    def __init__(self, tagged: str) -> None:
        self._tagged = tagged
        self.invoked: list[str] = []
        self.exceptions = SimpleNamespace(ResourceNotFoundException=KeyError)

    def list_tags(self, **asked: str) -> dict[str, Any]:
        return {"Tags": {"tunestep:reward": "x"} if asked["Resource"].endswith(self._tagged) else {}}

    def get_function_configuration(self, **_: str) -> dict[str, Any]:
        return {"Timeout": 30, "CodeSha256": "hash"}

    def invoke(self, **asked: Any) -> dict[str, Any]:
        self.invoked.append(asked["FunctionName"].rpartition(":")[2])
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "reached"}}, "Invoke")


TAGGED = "tunestep-SageMaker-reward-mine"
UNTAGGED = "tunestep-SageMaker-reward-another"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    lambda_ = Account(TAGGED)
    target = SimpleNamespace(
        stack="tunestep",
        region="us-west-2",
        account="123456789012",
        clients=SimpleNamespace(lambda_=lambda_, lambda_once=lambda seconds: lambda_),
    )
    monkeypatch.setattr(reward, "open_target", lambda **_: target)
    return lambda_


@pytest.mark.parametrize("name", ["my-reward", UNTAGGED, "tunestep-start", "other-SageMaker-reward-x"])
@pytest.mark.parametrize("form", ["{}", "arn:aws:lambda:us-west-2:123456789012:function:{}:live"])
def test_a_function_that_is_neither_listed_nor_tagged_is_never_invoked(
    capsys: pytest.CaptureFixture[str], account: Account, name: str, form: str
) -> None:
    asked = ["reward", "test", form.format(name), "--data", "rows.jsonl", "--stack", "tunestep"]
    outcome = tunestep(capsys, *asked)
    assert outcome.code == 2
    assert "it is not called" in " ".join(outcome.err.split())
    assert account.invoked == []


@pytest.mark.parametrize("name", [TAGGED, "my-reward"])
def test_a_tagged_reward_and_a_listed_function_are_invoked(
    capsys: pytest.CaptureFixture[str], account: Account, project: Path, name: str
) -> None:
    arn = "arn:aws:lambda:us-west-2:123456789012:function:my-reward"
    (project / "tunestep.yaml").write_text(f"allowed:\n  reward_functions: ['{arn}']\n", encoding="utf-8")
    outcome = tunestep(capsys, "reward", "test", name, "--data", "rows.jsonl", "--stack", "tunestep")
    assert outcome.code == 1
    assert set(account.invoked) == {name}


def test_a_name_that_is_nowhere_is_said_to_be_no_file_and_no_reward(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = tunestep(capsys, "reward", "test", "no_such_reward", "--data", "rows.jsonl")
    assert outcome.code == 2
    assert "no_such_reward is no file and no reward of the library" in outcome.err


def test_what_raises_is_told_with_its_line(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    (project / "own.py").write_text("def handler(event, context):\n    raise ValueError('kaboom')\n")
    outcome = tunestep(capsys, "reward", "test", "own.py", "--data", "rows.jsonl")
    assert outcome.code == 1
    assert "gives no answer to the first rows" in outcome.out
    assert "kaboom (own.py, line 2)" in outcome.out
