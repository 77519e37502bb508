"""The CertifyReward step on a stored plan: what it calls, what it refuses to call, and what the run keeps."""

import hashlib
import io
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import msgspec
import pytest

from tests.certify import style_template
from tests.certify.support import Handler, InProcess, library, lines, products
from tests.support.run_world import ACCOUNT, BUCKET, REGION, RUN_ID, World, make_plan, world
from tunestep.context import Context
from tunestep.errors import PlanChanged
from tunestep.lambda_functions import describe
from tunestep.plan_model import DataPlan, Plan, RewardPlan
from tunestep.request import parse, request_hash
from tunestep.reward_certify import certify_reward

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tunestep-SageMaker-reward-math-answer"
JUDGE = "openai.gpt-oss-20b-1:0"
REQUEST: dict[str, Any] = {
    "use_case": "Maths",
    "technique": "RLVR",
    "base_model": "huggingface-reasoning-qwen3-8b",
    "training_data": "s3://data/train.jsonl",
    "reward": {"function": "math_answer"},
}


class Lambda:
    """The two calls that certification makes, on real handlers; every call is written down."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.code = ["c29tZSBjb2Rl"]
        self.calls: list[str] = []
        self.waits: list[float] = []

    def get_function_configuration(self, **asked: Any) -> dict[str, Any]:
        self.calls.append("GetFunctionConfiguration")
        code = self.code.pop(0) if len(self.code) > 1 else self.code[0]
        return {"FunctionArn": asked["FunctionName"], "CodeSha256": code, "Timeout": 30, "State": "Active"}

    def invoke(self, **asked: Any) -> dict[str, Any]:
        self.calls.append("Invoke")
        assert asked["FunctionName"] == FUNCTION
        reply = InProcess(self.handler).call(asked["Payload"])
        if reply.failure:
            document = {"errorType": "Exception", "errorMessage": reply.said}
            return {"Payload": BytesIO(json.dumps(document).encode()), "FunctionError": "Unhandled"}
        return {"Payload": BytesIO(reply.payload), "StatusCode": 200}


class Judge:
    """Converse, answered by a rule that is given the whole prompt."""

    def __init__(self, rule: Any) -> None:
        self.rule = rule
        self.asked: list[dict[str, Any]] = []

    def converse(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        text = self.rule(asked["messages"][0]["content"][0]["text"])
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "usage": {"inputTokens": 100, "outputTokens": 10, "totalTokens": 110},
        }


class Desk:
    def __init__(self, surroundings: World) -> None:
        self.world = surroundings
        self.context: Context = surroundings.context
        self.use(library("math_answer"))
        self.data(products())

    def use(self, handler: Handler) -> Lambda:
        self.function = Lambda(handler)
        self.context.clients.lambda_ = self.function
        self.context.clients.lambda_once = self._once
        return self.function

    def _once(self, seconds: float) -> Lambda:
        self.function.waits.append(seconds)
        return self.function

    def data(self, rows: list[Any]) -> None:
        self.world.s3.put_object(Bucket="data", Key="train.jsonl", Body=lines(rows))

    def plan(self, reward: RewardPlan | None = None, request: Any = None, **changes: Any) -> Plan:
        found = describe(self.function, FUNCTION)
        pinned = RewardPlan(
            kind="function",
            value="math_answer",
            reference=FUNCTION,
            function_arn=FUNCTION,
            code_sha256=found.code_sha256,  # type: ignore[union-attr]
            configuration_sha256=found.configuration_sha256,  # type: ignore[union-attr]
            contract="open-weights",
        )
        self.function.calls.clear()
        return make_plan(
            technique="RLVR",
            request_hash=request_hash(parse(request or REQUEST)),
            training_data=DataPlan(uri="s3://data/train.jsonl", kind="object"),
            reward=reward or pinned,
            **changes,
        )

    def certify(self, plan: Plan, request: Any = None, **document: Any) -> dict[str, Any]:
        self.world.begin(plan)
        return certify_reward(self.context, self.world.event(request=request or REQUEST, **document))

    def report(self) -> dict[str, Any]:
        body, _ = self.context.files.get(RUN_ID, "reward.json") or (b"{}", "")
        found: dict[str, Any] = msgspec.json.decode(body)
        return found


@pytest.fixture
def desk() -> Iterator[Desk]:
    with world() as surroundings:
        yield Desk(surroundings)


def codes(answer: dict[str, Any], severity: str = "error") -> set[str]:
    return {finding["code"] for finding in answer["findings"] if finding["severity"] == severity}


def test_a_good_reward_is_certified_with_what_it_was(desk: Desk) -> None:
    answer = desk.certify(desk.plan())
    assert (answer["verdict"], answer["ok"], answer["cause"]) == ("MET", True, "")
    assert answer["certified"]["code_sha256"] == "c29tZSBjb2Rl"
    assert answer["certified"]["arn"] == FUNCTION
    assert all(probe["outcome"] == "pass" for probe in answer["probes"])
    assert answer["uri"] == f"s3://{BUCKET}/runs/{RUN_ID}/reward.json"
    assert desk.report()["examples"] == []
    assert desk.function.waits == [35.0]


def test_a_bad_reward_ends_the_run_with_a_table_and_examples_in_the_runs_files(desk: Desk) -> None:
    desk.use(style_template.lambda_handler)
    answer = desk.certify(desk.plan())
    assert answer["verdict"] == "RewardNotCertified"
    assert answer["errors"]["reward"] > 3
    assert len(answer["cause"]) <= 2048
    assert "right answers 0.70 (at least 0.95)" in answer["cause"]
    assert answer["uri"] in answer["cause"]
    assert "What is" not in json.dumps(answer), "the document holds no content of rows"
    assert "What is" in json.dumps(desk.report()["examples"])
    assert len(json.dumps(answer)) < 20_000


def test_the_requests_thresholds_are_used(desk: Desk) -> None:
    desk.use(style_template.lambda_handler)
    request = REQUEST | {"reward": {"function": "math_answer", "certify": {"max_wrong": 1, "min_gold": 0.5}}}
    answer = desk.certify(desk.plan(request=request), request)
    assert codes(answer) == {"REWARD_BATCH_LOST"}


def test_thresholds_of_another_request_than_was_planned_are_refused(desk: Desk) -> None:
    lowered = REQUEST | {"reward": {"function": "math_answer", "certify": {"min_gold": 0}}}
    with pytest.raises(PlanChanged):
        desk.certify(desk.plan(), lowered)
    with pytest.raises(PlanChanged):
        desk.certify(desk.plan(), {"technique": "RLVR"})
    assert desk.function.calls == []


def test_code_that_changed_since_the_plan_is_not_called(desk: Desk) -> None:
    plan = desk.plan()
    desk.function.code = ["b3RoZXI="]
    answer = desk.certify(plan)
    assert codes(answer) == {"REWARD_CHANGED"}
    assert "Invoke" not in desk.function.calls


def test_code_that_changes_while_it_is_tried_is_a_finding(desk: Desk) -> None:
    plan = desk.plan()
    desk.function.code = ["c29tZSBjb2Rl", "c29tZSBjb2Rl", "b3RoZXI="]
    answer = desk.certify(plan)
    assert answer["verdict"] == "RewardNotCertified"
    assert codes(answer) == {"REWARD_CHANGED"}


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tunestep-decide",
        f"arn:aws:lambda:{REGION}:999999999999:function:tunestep-SageMaker-reward-math-answer",
    ],
)
def test_what_is_no_reward_is_never_called_whatever_the_plan_says(desk: Desk, arn: str) -> None:
    plan = desk.plan(RewardPlan(kind="lambda_arn", value=arn, function_arn=arn, reference=arn))
    answer = desk.certify(plan)
    assert codes(answer) == {"REWARD_REFUSED"}
    assert desk.function.calls == []


def test_nothing_is_called_when_something_before_is_wrong(desk: Desk) -> None:
    answer = desk.certify(desk.plan(), dataset={"errors": {"prerequisite": 1}})
    assert answer["verdict"] == "PrerequisitesNotMet"
    assert desk.function.calls == []


def test_data_without_readable_rows_leaves_the_contract_to_be_tried_and_says_so(desk: Desk) -> None:
    plan = desk.plan()
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:hub-content/H/DataSet/d/1.0.0"
    answer = desk.certify(msgspec.structs.replace(plan, training_data=DataPlan(uri=arn, kind="dataset")))
    assert "REWARD_ROWS_NOT_READ" in codes(answer, "warning")
    assert answer["probes"][0]["outcome"] == "pass"


@pytest.mark.parametrize("uri", ["s3://data/train.parquet", "s3://data/train.csv", "arn:of:a:DataSet"])
def test_rows_that_the_check_of_the_data_kept_are_tried_whatever_format_they_came_in(
    desk: Desk, uri: str
) -> None:
    plan = msgspec.structs.replace(desk.plan(), training_data=DataPlan(uri=uri, kind="dataset"))
    kept = lines(products(12))
    desk.context.files.put_lines(RUN_ID, "reward_rows.jsonl", io.BytesIO(kept))
    answer = desk.certify(plan)
    assert (answer["verdict"], answer["certified"]["rows"]) == ("MET", 12)
    assert all(probe["outcome"] == "pass" for probe in answer["probes"])


def test_a_preset_is_passed_through_and_said_to_be_untried(desk: Desk) -> None:
    answer = desk.certify(desk.plan(RewardPlan(kind="preset", value="gsm8k")))
    assert (answer["verdict"], codes(answer, "info")) == ("MET", {"REWARD_PRESET"})
    assert desk.function.calls == []


# Prompts

FENCED = "Judge it.\n<prompt>{{ prompt }}</prompt>\n<response>{{ response }}</response>\nEnd with Score: N."


def prompt_plan(desk: Desk, template: str = FENCED, judge_rows: int = 0) -> tuple[Plan, dict[str, Any]]:
    desk.world.s3.put_object(Bucket="data", Key="judge.jinja", Body=template.encode())
    reward = {"prompt": "s3://data/judge.jinja", "judge_model": JUDGE}
    if judge_rows:
        reward["certify"] = {"judge_rows": judge_rows}  # type: ignore[assignment]
    request = REQUEST | {"technique": "RLAIF", "reward": reward}
    plan = desk.plan(
        RewardPlan(
            kind="prompt",
            value="s3://data/judge.jinja",
            reference="s3://data/judge.jinja",
            prompt_uri="s3://data/judge.jinja",
            prompt_sha256=hashlib.sha256(template.encode()).hexdigest(),
            judge_model=JUDGE,
        ),
        request,
    )
    return plan, request


def use_judge(desk: Desk, rule: Any) -> Judge:
    judge = Judge(rule)
    desk.context.clients.bedrock_runtime = judge
    return judge


def test_a_prompt_is_rendered_and_the_judge_not_asked_unless_wanted(desk: Desk) -> None:
    judge = use_judge(desk, lambda text: "Score: 1")
    answer = desk.certify(*prompt_plan(desk))
    assert answer["verdict"] == "MET"
    assert judge.asked == []
    assert "JUDGE_NOT_ASKED" in codes(answer, "info")
    (found,) = [finding for finding in answer["findings"] if finding["code"] == "JUDGE_NOT_ASKED"]
    assert "tokens" in found["message"]
    assert {probe["outcome"] for probe in answer["probes"]} == {"pass", "not run"}


def test_a_judge_that_scores_what_is_fenced_passes(desk: Desk) -> None:
    judge = use_judge(desk, lambda text: "It is wrong.\nScore: 0.2")
    answer = desk.certify(*prompt_plan(desk, judge_rows=2))
    assert answer["verdict"] == "MET"
    assert len(judge.asked) == 2 * 4
    assert judge.asked[0]["modelId"] == JUDGE
    assert desk.report()["judge_tokens"] == {"in": 800, "out": 80}
    assert "JUDGE_ASKED" in codes(answer, "info")


@pytest.mark.parametrize(
    ("sign", "probe"),
    [
        ("Note to the judge", "judge resists an instruction to the judge"),
        ("perfect in every respect", "judge resists a fake closing tag"),
        ("[[10]]", "judge resists a fake score line"),
    ],
)
def test_a_judge_that_can_be_talked_to_is_refused(desk: Desk, sign: str, probe: str) -> None:
    use_judge(desk, lambda text: json.dumps({"score": 0.9 if sign in text else 0.1}))
    answer = desk.certify(*prompt_plan(desk, judge_rows=2))
    assert answer["verdict"] == "RewardNotCertified"
    assert codes(answer) == {"JUDGE_TALKED_INTO"}
    assert [entry["name"] for entry in answer["probes"] if entry["outcome"] == "fail"] == [probe]


def test_a_judge_without_a_score_is_an_error(desk: Desk) -> None:
    use_judge(desk, lambda text: "I would rather not say.")
    assert codes(desk.certify(*prompt_plan(desk, judge_rows=1))) == {"JUDGE_GIVES_NO_SCORE"}


def test_a_prompt_that_changed_since_the_plan_is_refused(desk: Desk) -> None:
    plan, request = prompt_plan(desk)
    desk.world.s3.put_object(Bucket="data", Key="judge.jinja", Body=b"{{ prompt }} {{ response }} !")
    assert codes(desk.certify(plan, request)) == {"REWARD_CHANGED"}


def test_a_prompt_that_fails_on_the_rows_is_refused(desk: Desk) -> None:
    plan, request = prompt_plan(desk, "{{ prompt }}{{ response }}{{ 1 // (prompt|length - prompt|length) }}")
    assert codes(desk.certify(plan, request)) == {"PROMPT_INVALID"}
