"""Every command of the pages is run, in order, in one laptop cloud."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, commands, lines
from tests.local.conftest import assembly
from tests.local.laptop import Laptop

__all__ = ["assembly"]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("docs")]

NOT_RUN = {
    "make demo": "sets up and runs the SFT example; the run itself is tried below",
    "make demo-rlvr": "likewise, the RLVR example",
    "make demo-approval": "waits for a person; tests/local/test_demo_approval.py is the person",
    "make test": "runs the tests, so also this one",
    "make setup": "has been run, or there would be no test",
    "make lint": "groups of their own in `make test-all`",
    ".venv/bin/tunestep reward new my_reward": (
        "writes into reward_functions/; tests/cli/test_reward.py does it in a folder of its own"
    ),
    "make cdk": "downloads; tests/infra/test_synthesis.py installs the same lock",
    ".venv/bin/tunestep deploy --dry-run": "needs `make cdk`; tests/unit/test_deploying.py runs it",
    ".venv/bin/tunestep deploy --bootstrap --profile PROFILE --region us-west-2": (
        "needs an AWS account; tests/unit/test_deploying.py runs it with a CDK that notes what it is asked"
    ),
    ".venv/bin/tunestep deploy --profile PROFILE --region us-west-2": (
        "needs an AWS account; tests/unit/test_deploying.py runs it with a CDK that notes what it is asked"
    ),
    ".venv/bin/tunestep doctor --stack tunestep --profile PROFILE --region us-west-2": (
        "needs an AWS account; tests/cli/test_stack.py runs it against the laptop's port"
    ),
    ".venv/bin/tunestep probe --stack tunestep --profile PROFILE --region us-west-2": (
        "needs an AWS account; tests/local/test_probe.py runs it on the laptop cloud"
    ),
    ".venv/bin/tunestep probe --stack tunestep --profile PROFILE --region us-west-2 --spend-cap-usd 20": (
        "needs an AWS account; tests/local/test_probe.py runs it on the laptop cloud"
    ),
    (
        ".venv/bin/tunestep run examples/sft/request.json"
        " --stack tunestep --profile PROFILE --region us-west-2"
    ): "needs an AWS account; tests/cli/test_stack.py runs it against the laptop's port",
    ".venv/bin/tunestep run examples/rlaif/request.json --local": (
        "takes minutes; tests/local/test_training_rlaif.py trains so for seconds"
    ),
    (
        ".venv/bin/tunestep run examples/approval/request.json --local"
        " --settings examples/approval/tunestep.yaml"
    ): "waits for a person; tests/local/test_demo_approval.py is the person",
}
SHOWN = [block for block in blocks("console") if set(lines(block)) - set(NOT_RUN)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, assembly: Path) -> Iterator[dict[str, str]]:
    """A user's environment with a home of its own, in which a laptop cloud runs; it is ended."""
    laptop = Laptop(tmp_path_factory.mktemp("docs"))
    laptop.adopt_assembly(assembly)
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    made = {**kept, "HOME": str(laptop.work), "TUNESTEP_HOME": str(laptop.home), "USER": "reader"}
    # What `make setup` keeps is all that a synthesis needs.
    made["UV_OFFLINE"] = "1"
    try:
        started = bash(".venv/bin/tunestep local start", made)
        assert started.returncode == 0, started.stderr
        yield made
    finally:
        laptop.close()


def bash(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - commands of our own pages
        ["/bin/bash", "-euc", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize(("target", "example"), [("demo", "sft"), ("demo-rlvr", "rlvr")])
def test_a_demo_makes_a_model(target: str, example: str, environment: dict[str, str]) -> None:
    recipe = bash(f"make --no-print-directory -n {target} | tail -1", environment).stdout
    assert f"tunestep run examples/{example}/request.json --local" in recipe
    ended = bash(recipe, environment)
    assert ended.returncode == 0, ended.stderr
    assert "model-package/" in ended.stdout
    assert "record.json" in ended.stdout


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.page)
def test_the_commands_of_a_block_work(block: Block, environment: dict[str, str]) -> None:
    """A run that another page has shown before ends as DuplicateRun, with the results of the first."""
    ended = bash("\n".join(line for line in lines(block) if line not in NOT_RUN), environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def test_what_is_not_run_is_still_shown_and_little() -> None:
    assert set(NOT_RUN) <= {line for _, line in commands()}
    assert len(NOT_RUN) == 17
