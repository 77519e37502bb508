"""The laptop cloud starts, survives a kill, ends, and leaves nothing; assemblies are made when needed."""

import contextlib
import fcntl
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time

import pytest

from tunestep import names
from tunestep.aws import Clients
from tunestep.local import assembly, children, control, process
from tunestep.local.world import World


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home whose cloud has been started from the project's own template."""
    folder = tmp_path_factory.mktemp("cloud") / ".tunestep"
    saved = dict(os.environ)
    user = tmp_path_factory.mktemp("user")
    (user / ".aws").mkdir()
    (user / ".aws" / "credentials").write_text("[default]\naws_access_key_id=CANARY\n")
    os.environ.update(AWS_ACCESS_KEY_ID="CANARY", AWS_SECRET_ACCESS_KEY="CANARY", HTTPS_PROXY="http://CANARY")
    control.ensure(folder)
    os.environ.clear()
    os.environ.update(saved)
    yield folder
    control.reset(folder)
    assert not folder.exists()


@pytest.fixture
def clients(home, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    endpoint = control.running(home)
    return Clients(region=endpoint.region, endpoint_url=endpoint.url)


def test_a_second_start_finds_the_first(home):
    assert control.ensure(home) == control.running(home)


@pytest.mark.slow
def test_changed_code_is_deployed_by_the_next_command(home, monkeypatch):
    before = control.running(home)
    monkeypatch.setattr(assembly, "content_hash", lambda *_: "edited")
    told = []
    after = control.ensure(home, on_progress=told.append)
    assert (after.pid != before.pid, after.code) == (True, before.code)
    assert any("have changed: starting the laptop cloud anew" in line for line in told)


def test_changed_code_does_not_end_a_run_that_is_under_way(home, monkeypatch):
    before = control.running(home)
    monkeypatch.setattr(assembly, "content_hash", lambda *_: "edited")
    told = []
    execution = ("an execution", "a machine", "a revision", "RUNNING", "{}")
    insert = "INSERT INTO executions (arn, machine_arn, revision, status, state) VALUES (?, ?, ?, ?, ?)"
    with contextlib.closing(sqlite3.connect(home / "sfn.sqlite")) as store:
        store.execute(insert, execution)
        store.commit()
        try:
            assert control.ensure(home, on_progress=told.append).pid == before.pid
        finally:
            store.execute("DELETE FROM executions WHERE arn = 'an execution'")
            store.commit()
    assert "ends with what was deployed" in told[0]


def test_a_second_process_on_the_same_home_refuses(home):
    result = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "tunestep.local.process", "--home", str(home)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert result.returncode == process.IN_USE
    assert "another process" in result.stderr


def test_other_settings_than_those_that_run_are_refused(home, tmp_path):
    with pytest.raises(control.ControlError, match="tunestep local stop"):
        control.ensure(home, settings_file=tmp_path / "other.yaml")


def found(home):
    """What is in the home, without the files under which functions write their bytecode for a moment."""
    return [path for path in home.rglob("*") if not re.search(r"\.pyc\.\d+$", path.name)]


def test_everything_in_the_home_is_private(home):
    open_ = [path for path in [home, *found(home)] if not path.is_symlink()]
    readable = [path for path in open_ if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert [path for path in readable if "assembly" not in path.parts] == []


def test_no_credential_of_the_user_is_in_the_home(home):
    files = [path for path in found(home) if path.is_file() and "assembly" not in path.parts]
    assert [path for path in files if b"CANARY" in path.read_bytes()] == []


def test_every_function_of_the_stack_answers(home, clients):
    listed = {function["FunctionName"] for function in clients.lambda_.list_functions()["Functions"]}
    rewards = {name for name in listed if names.reward_function_prefix("") in name}
    assert rewards
    assert listed - rewards == {names.function_name("tunestep", verb) for verb in names.FUNCTIONS}


@pytest.mark.slow
def test_objects_survive_a_kill_and_no_function_does(home, clients):
    endpoint = control.running(home)
    bucket = names.bucket_name(endpoint.stack, endpoint.account, endpoint.region)
    version = clients.s3.put_object(Bucket=bucket, Key="data/k", Body=b"kept")["VersionId"]
    os.kill(endpoint.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while control.running(home) and time.monotonic() < deadline:
        time.sleep(0.02)
    began = time.monotonic()
    again = control.ensure(home)
    assert time.monotonic() - began < 20
    assert (again.url, again.pid != endpoint.pid) == (endpoint.url, True)
    answer = clients.s3.get_object(Bucket=bucket, Key="data/k", VersionId=version)
    assert answer["Body"].read() == b"kept"


def test_a_cloud_that_cannot_start_shows_why(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("stack: 7\n")
    with pytest.raises(control.ControlError, match="stack"):
        control.ensure(tmp_path / "home", settings_file=wrong)
    assert control.running(tmp_path / "home") is None


def test_reset_leaves_files_that_are_not_the_clouds(tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    control.reset(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_stop_without_a_cloud_says_so(tmp_path):
    assert control.stop(tmp_path) is False


STARTING = """
import pathlib, signal, sys
from tunestep.local import process
home = pathlib.Path(sys.argv[1])
lock = process.take_lock(home)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("starting", flush=True)
signal.sigwait([signal.SIGTERM])
assert (home / "journal.sqlite").is_file(), "deleted under a cloud that starts"
(home / "outbox").mkdir()
"""


def test_reset_waits_for_a_cloud_that_is_still_starting(tmp_path):
    (tmp_path / "journal.sqlite").write_text("x")
    begun = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", STARTING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert begun.stdout.readline() == "starting\n"
    assert control.running(tmp_path) is None
    control.reset(tmp_path)
    assert begun.wait(20) == 0
    assert not tmp_path.exists()


LEFT = (
    '{"url": "http://127.0.0.1:1", "pid": 1, "region": "r", "account": "1", "stack": "s", '
    '"settings": null, "world": null}'
)


def test_an_endpoint_file_left_by_a_killed_process_is_not_believed(tmp_path):
    (tmp_path / process.ENDPOINT).write_text(LEFT)
    (tmp_path / process.LOCK).touch()
    assert control.running(tmp_path) is None


def test_a_start_never_answers_with_the_address_of_the_cloud_that_was_killed(tmp_path, monkeypatch):
    """The next cloud takes the lock before it takes away what the killed one left."""
    (tmp_path / process.ENDPOINT).write_text(LEFT)
    monkeypatch.setattr(control, "START_SECONDS", 0.2)
    starting = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process.take_lock(tmp_path), starting, pytest.raises(control.ControlError, match="not ready"):
        control._wait(tmp_path, starting, lambda _: None)


def test_a_look_at_the_lock_keeps_no_cloud_from_starting(tmp_path, monkeypatch):
    (tmp_path / process.LOCK).touch()
    with (tmp_path / process.LOCK).open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr(process.time, "sleep", lambda _: fcntl.flock(looking, fcntl.LOCK_UN))
        with process.take_lock(tmp_path) as taken:
            assert taken.name.endswith(process.LOCK)


def test_an_ephemeral_cloud_holds_its_world_and_nothing_of_the_one_before():
    before = dict(os.environ)
    for _ in range(2):
        with control.ephemeral(World.builtin()) as endpoint:
            clients = Clients(region=endpoint.region, endpoint_url=endpoint.url)
            assert clients.sagemaker.list_hub_contents(
                HubName=names.HUB, HubContentType="Model", MaxResults=5
            )["HubContentSummaries"]
            buckets = {bucket["Name"] for bucket in clients.s3.list_buckets()["Buckets"]}
            assert "left-behind" not in buckets
            location = {"LocationConstraint": endpoint.region}
            clients.s3.create_bucket(Bucket="left-behind", CreateBucketConfiguration=location)
    assert dict(os.environ) == before


APP = """
import os, pathlib
out = pathlib.Path(os.environ["CDK_OUTDIR"])
assert not any(name.startswith("AWS_") for name in os.environ)
assert os.environ["TUNESTEP_SYNTH"] == "local"
(out / "settings").write_text(os.environ.get("TUNESTEP_SETTINGS_FILE", ""))
(out / "manifest.json").write_text("{}")
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "CANARY")
    root = tmp_path / "project"
    (root / "tunestep" / "cli").mkdir(parents=True)
    (root / "app.py").write_text(APP)
    return root


def test_an_assembly_is_made_again_only_when_its_inputs_have_changed(project, tmp_path):
    home, said = tmp_path / "home", []
    first = assembly.synthesize(home, None, root=project, on_progress=said.append)
    (project / "tunestep" / "cli" / "main.py").write_text("not packaged")
    assert assembly.synthesize(home, None, root=project, on_progress=said.append) == first
    assert len(said) == 1
    (project / "tunestep" / "plan.py").write_text("packaged")
    assert assembly.synthesize(home, None, root=project) != first
    rules = tmp_path / "tunestep.yaml"
    rules.write_text("{}")
    assert (assembly.synthesize(home, rules, root=project) / "settings").read_text() == str(rules)


def test_the_last_three_assemblies_are_kept(project, tmp_path):
    for number in range(5):
        (project / "tunestep" / "plan.py").write_text(str(number))
        last = assembly.synthesize(tmp_path / "home", None, root=project)
    kept = list((tmp_path / "home" / "assembly").iterdir())
    assert len(kept) == assembly.KEPT
    assert last in kept


def test_a_synthesis_that_fails_leaves_nothing_and_says_what_app_py_said(project, tmp_path):
    (project / "app.py").write_text("raise SystemExit('the settings are wrong')")
    with pytest.raises(assembly.SynthesisFailed, match="the settings are wrong"):
        assembly.synthesize(tmp_path / "home", None, root=project)
    assert list((tmp_path / "home" / "assembly").iterdir()) == []


def test_a_training_worker_is_found_by_its_folder_and_ended_with_its_home(tmp_path):
    job = tmp_path / "jobs" / "one"
    (job / "home").mkdir(parents=True)
    os.mkfifo(job / "request.json")
    pid = children.launch_worker(job, endpoint_url="http://127.0.0.1:1", region="us-west-2")
    try:
        deadline = time.monotonic() + 10
        # A process that has just begun shows no command line for a moment.
        while children.find_worker(job) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert children.find_worker(job) == pid
        assert children.find_worker(tmp_path / "jobs" / "on") is None
        control.reset(tmp_path)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        assert children.find_worker(job) is None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_lock_counts_only_while_it_is_the_homes_own(tmp_path):
    first = process.take_lock(tmp_path)
    assert first is not None
    with first:
        assert process.still_ours(tmp_path, first)
        (tmp_path / process.LOCK).unlink()
        assert not process.still_ours(tmp_path, first)
        second = process.take_lock(tmp_path)
        assert second is not None
        with second:
            assert process.still_ours(tmp_path, second)
            assert not process.still_ours(tmp_path, first)
