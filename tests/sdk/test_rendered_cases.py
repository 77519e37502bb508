"""Every captured request, rendered as a script: with the real SDK it sends that request again."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.cases import expected_of, load_cases, load_world, plan_of
from tunestep import notebooks
from tunestep.plan_model import Plan, RewardPlan

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.skipif("TUNESTEP_SDK_PYTHON" not in os.environ, reason="make test-sdk brings the real SDK"),
]

SEND = Path(__file__).with_name("send_rendered.py")
# A rendering never accepts the licence of a model that is not gated, which one case does without need.
CASES = {case["name"]: case for case in load_cases() if case["name"] != "sft_ungated_eula_given"}
WORLD = load_world()


def planned(case: dict[str, Any]) -> Plan:
    """The case's plan with what the planner adds to rewards, asking for a decision where one is needed."""
    plan, inputs = plan_of(case, WORLD), case["inputs"]
    judge = inputs.get("rlaif", {})
    if plan.reward is not None:
        reward = RewardPlan(
            kind=plan.reward.kind,
            value=plan.reward.value,
            evaluator_arn=plan.reward.evaluator_arn,
            judge_model=judge.get("judge_model_id", "").removeprefix("bedrock/"),
            judge_prompt_template=judge.get("judge_prompt_template", ""),
        )
        plan = msgspec.structs.replace(plan, reward=reward)
    approval = msgspec.structs.replace(plan.approval, needed=plan.model.gated)
    group = msgspec.structs.replace(plan.group, name=plan.group.arn.rpartition("/")[2])
    return msgspec.structs.replace(plan, approval=approval, group=group)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("rendered")
    for name, case in CASES.items():
        facts = notebooks.Facts(
            hyperparameters=case["inputs"].get("hyperparameters", {}), origin=name, accepted=True, wait=False
        )
        (folder / f"{name}.py").write_text(notebooks.script(planned(case), facts), encoding="utf-8")
    subprocess.run(  # noqa: S603 - our own program
        [os.environ["TUNESTEP_SDK_PYTHON"], SEND, folder], check=True, timeout=500, capture_output=True
    )
    found: dict[str, Any] = json.loads((folder / "sent.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_rendered_case_sends_the_captured_request(name: str, sent: dict[str, Any]) -> None:
    request, expected = sent[name], expected_of(CASES[name])
    assert "error" not in request, request["error"]
    request["HyperParameters"] = {key: text for key, text in request["HyperParameters"].items() if text}
    request["TrainingJobName"] = re.sub(r"-\d{14}$", "-<TS14>", request["TrainingJobName"])
    assert request == expected
