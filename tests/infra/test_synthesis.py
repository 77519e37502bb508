"""app.py as a user runs it: in any folder, without credentials, with good and with bad settings."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import app
from infra import node
from infra.bundle import PACKAGES, REWARD_PACKAGES
from infra.flags import FLAGS
from tests.infra.support import FULL_SETTINGS, FULL_STACK, REPOSITORY, run_app


def test_nothing_is_written_but_the_assembly(assembly: Path) -> None:
    assert [path.name for path in assembly.parent.iterdir()] == ["cdk.out"]


def test_the_assembly_for_a_laptop_holds_sources_without_wheels_and_without_the_laptop(
    assembly: Path,
) -> None:
    asset, rewards = sorted(
        assembly.glob("asset.*"), key=lambda folder: (folder / "reward_functions").exists()
    )
    assert {path.name for path in asset.iterdir()} <= {"lambdas", "tunestep", "code_templates"}
    assert {path.name for path in rewards.iterdir()} == {"reward_functions"}
    assert not (asset / "tunestep" / "cli").exists()
    assert not (asset / "tunestep" / "local").exists()
    assert (asset / "tunestep" / "names.py").is_file()


def test_the_template_holds_no_account_and_no_region(assembly: Path) -> None:
    manifest = json.loads((assembly / "manifest.json").read_text())
    assert manifest["artifacts"]["tunestep"]["environment"] == "aws://unknown-account/unknown-region"
    assert not manifest.get("missing")


@pytest.mark.slow
def test_the_same_input_gives_the_same_template(tmp_path: Path, assembly: Path) -> None:
    done = run_app(tmp_path, CDK_OUTDIR="elsewhere")
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "elsewhere" / "tunestep.template.json").read_bytes()
    assert written == (assembly / "tunestep.template.json").read_bytes()


@pytest.mark.slow
def test_settings_come_from_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "tunestep.yaml").write_text("stack: mine\n")
    assert run_app(tmp_path).returncode == 0
    assert (tmp_path / "cdk.out" / "mine.template.json").is_file()


@pytest.mark.slow
def test_settings_come_from_the_context_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "tunestep.yaml").write_text("stack: mine\n")
    done = run_app(tmp_path, CDK_CONTEXT_JSON=json.dumps({"settings": str(FULL_SETTINGS)}))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cdk.out" / f"{FULL_STACK}.template.json").is_file()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stack: Bad_Name", "$.stack"),
        ("stacc: tunestep", "stacc"),
        ("stack: [", "tunestep.yaml"),
        ("max_runtime: soon", "$.max_runtime"),
        ("log_retention_days: 91", "nearest is 90"),
        ("kms_key: alias/mine", "$.kms_key"),
        ("allowed: {execution_roles: [training]}", "$.allowed.execution_roles[0]"),
        ("allowed: {locations: ['s3://bucket/*']}", "$.allowed.locations[0]"),
        ("allowed: {locations: ['s3://bucket/prefix']}", "$.allowed.locations[0]"),
        ("allowed: {locations: ['*']}", "$.allowed.locations[0]"),
        ("mlflow_app: mine", "$.mlflow_app"),
        ("allowed: {reward_functions: [mine]}", "$.allowed.reward_functions[0]"),
        (
            "allowed: {reward_functions: ['arn:aws:lambda:us-west-2:123456789012:function:f:prod']}",
            "without version or alias",
        ),
        ("rewards: {concurrency: 0}", "$.rewards.concurrency"),
        ("rewards: {config: {no_such_reward: {}}}", "no_such_reward"),
        (f"rewards: {{config: {{exact_match: {{note: {'x' * 3000}}}}}}}", "$.rewards.config.exact_match"),
    ],
)
def test_wrong_settings_are_one_message_and_exit_code_2(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, which has CDK loaded: starting Node for each would be most of the time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNESTEP_SYNTH", "local")
    (tmp_path / "tunestep.yaml").write_text(text + "\n")
    assert app.main() == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert len(errors.strip().splitlines()) == 1


def test_wrong_settings_of_either_kind_leave_no_traceback(tmp_path: Path) -> None:
    """One that the settings' types refuse, and one that only the stack can."""
    for text, said in (("stack: Bad_Name", "$.stack"), ("mlflow_app: mine", "$.mlflow_app")):
        (tmp_path / "tunestep.yaml").write_text(text + "\n")
        done = run_app(tmp_path)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_settings_too_long_for_a_function_s_environment_are_refused(tmp_path: Path) -> None:
    listed = [f"s3://a-bucket-with-a-long-name/and/a/long/prefix/number/{n}/" for n in range(80)]
    (tmp_path / "tunestep.yaml").write_text(json.dumps({"allowed": {"locations": listed}}))
    done = run_app(tmp_path)
    assert done.returncode == 2
    assert "$.allowed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run_app(tmp_path, TUNESTEP_SETTINGS_FILE="elsewhere.yaml")
    assert done.returncode == 2
    assert "elsewhere.yaml" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_cdk_s_own_rules_find_nothing(tmp_path: Path) -> None:
    done = run_app(tmp_path, CDK_VALIDATION="true", TUNESTEP_SETTINGS_FILE=str(FULL_SETTINGS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "cdk.out" / "validation-report.json").is_file()


CIRCLE = """
import json, sys
from infra import node
node.use_wheel()
import aws_cdk as cdk
app = cdk.App(context=json.loads(sys.argv[1]), analytics_reporting=False)
stack = cdk.Stack(app, "circle")
one, two = (cdk.CfnResource(stack, name, type="AWS::SNS::Topic") for name in ("One", "Two"))
one.add_property_override("DisplayName", two.ref)
two.add_property_override("DisplayName", one.ref)
app.synth()
"""


@pytest.mark.slow
def test_cdk_s_own_rules_are_errors(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", CIRCLE, json.dumps(FLAGS)],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "ircular" in done.stdout + done.stderr


@pytest.mark.slow
def test_the_pinned_cdk_command_gives_the_same_template(tmp_path: Path, assembly: Path) -> None:
    wheel = node.wheel()
    assert wheel is not None
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("app.py", "cdk.json", "package.json", "package-lock.json"):
        shutil.copy(REPOSITORY / name, clone)
    for name in ("infra", "requirements", *PACKAGES, *REWARD_PACKAGES):
        shutil.copytree(REPOSITORY / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    (clone / ".venv").symlink_to(sys.prefix)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        "PATH": f"{wheel / 'bin'}:/usr/bin:/bin",
        "TUNESTEP_SYNTH": "local",
        "CDK_VALIDATION": "false",
    }
    for tool, *arguments in (
        ("npm", "ci", "--no-audit", "--no-fund"),
        ("npx", "--no-install", "cdk", "synth", "-q", "--no-notices", "--no-version-reporting"),
    ):
        script = wheel / "lib" / "node_modules" / "npm" / "bin" / f"{tool}-cli.js"
        done = subprocess.run(  # noqa: S603 - the pinned command
            [str(wheel / "bin" / "node"), str(script), *arguments],
            cwd=clone,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((clone / "cdk.out" / "tunestep.template.json").read_text())
    for resource in written["Resources"].values():
        # The command notes where in the tree a resource comes from; CloudFormation does nothing with it.
        resource.pop("Metadata", None)
    assert written == json.loads((assembly / "tunestep.template.json").read_text())


def test_the_lock_of_the_cdk_command_names_no_registry() -> None:
    text = (REPOSITORY / "package-lock.json").read_text()
    assert "http" not in text
    package = json.loads((REPOSITORY / "package.json").read_text())
    locked = json.loads(text)["packages"]["node_modules/aws-cdk"]
    assert package["devDependencies"] == {"aws-cdk": locked["version"]}


def test_the_lock_of_the_tests_packages_names_no_registry_and_agrees_with_what_is_wanted() -> None:
    folder = REPOSITORY / "tests" / "npm"
    package = json.loads((folder / "package.json").read_text())
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert not any("resolved" in entry for entry in locked.values())
    assert all("integrity" in entry for name, entry in locked.items() if name)
    assert locked[""]["devDependencies"] == package["devDependencies"]
    for name, version in package["devDependencies"].items():
        assert locked[f"node_modules/{name}"]["version"] == version, "exact versions only"


def test_the_tests_of_the_stack_need_no_node_but_the_wheel_s() -> None:
    """On a machine with a Node of its own nothing else would tell."""
    assert Path(os.environ["JSII_NODE"]).is_file()


def test_node_comes_from_the_wheel_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JSII_NODE", "/opt/node")
    node.use_wheel()
    assert os.environ["JSII_NODE"] == "/opt/node"
    monkeypatch.delenv("JSII_NODE")
    node.use_wheel()
    assert Path(os.environ["JSII_NODE"]).is_file()
