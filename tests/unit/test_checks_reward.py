"""Rewards of a request: held to the rule before anything is looked up, then pinned as they are."""

import copy
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.support.planning import (
    ACCOUNT,
    EVALUATOR,
    FUNCTIONS,
    LLAMA,
    NOVA,
    QWEN,
    REWARD_ARN,
    STACK_BUCKET,
    STACK_REWARD,
    Desk,
    evaluator_document,
    finding,
    prepared_account,
    settings,
    shown,
)
from tests.support.world_clients import Refused, simulation
from tunestep import names
from tunestep.plan_model import RewardPlan
from tunestep.settings import Settings

JUDGE = "openai.gpt-oss-120b-1:0"
PROMPT = "s3://my-data-bucket/prompts/judge.jinja"
OWN_PROMPT = f"s3://{STACK_BUCKET}/data/judge.jinja"
SOUND = "{{ prompt }}\n<response>{{ response }}</response>\n"
OWN_DATA = {"training_data": f"s3://{STACK_BUCKET}/data/train.jsonl"}


@pytest.fixture(scope="module")
def account() -> Iterator[Desk]:
    with prepared_account() as prepared:
        prepared.put(OWN_DATA["training_data"])
        yield prepared


@pytest.fixture
def desk(account: Desk) -> Iterator[Desk]:
    """The account as it is before each test: its functions, its evaluator, and no prompts."""
    kept = copy.deepcopy({key: account.world[key] for key in ("functions", "hub")})
    yield account
    account.world.update(kept)
    account.reset()
    for uri in (PROMPT, OWN_PROMPT):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        account.clients.s3.delete_object(Bucket=bucket, Key=key)


def rlvr(model: str = QWEN, **reward: Any) -> dict[str, Any]:
    return {"technique": "RLVR", "base_model": model, "reward": reward}


def rlaif(**reward: Any) -> dict[str, Any]:
    return {"technique": "RLAIF", "base_model": LLAMA, "reward": {"judge_model": JUDGE, **reward}}


def reward_of(desk: Desk, changes: dict[str, Any], **context: Any) -> RewardPlan:
    outcome = desk.plan(changes, **context)
    assert outcome.plan is not None, [found.line() for found in outcome.findings]
    assert outcome.plan.reward is not None
    return outcome.plan.reward


def test_a_reward_of_the_stack_is_pinned_by_code_and_configuration(desk: Desk) -> None:
    found = reward_of(desk, rlvr(function="math_answer") | OWN_DATA, open=False)
    assert found.function_arn == found.reference == f"{FUNCTIONS}:{STACK_REWARD}"
    assert (found.kind, found.code_sha256, found.contract) == ("function", "code-1", "open-weights")
    assert len(found.configuration_sha256) == 64
    assert found.evaluator_arn == ""


def test_a_nova_model_calls_its_reward_by_nova_s_contract(desk: Desk) -> None:
    twin = names.reward_function_name("tunestep", "math_answer", "nova")
    desk.world["functions"][twin] = desk.world["functions"][STACK_REWARD]
    found = reward_of(desk, rlvr(NOVA, function="math_answer"))
    assert (found.contract, found.function_arn) == ("nova", f"{FUNCTIONS}:{twin}")


def test_what_changes_answers_without_changing_code_changes_the_pin(desk: Desk) -> None:
    seen = set()
    for change in ({}, {"Environment": {"Variables": {"REWARD_CONFIG": "{}"}}}, {"Handler": "other.handler"}):
        desk.world["functions"][STACK_REWARD].update(change)
        seen.add(reward_of(desk, rlvr(function="math_answer")).configuration_sha256)
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("name", "near"), [("math_anser", "math_answer"), ("exactmatch", "exact_match"), ("zzz", "")]
)
def test_an_unknown_reward_names_the_nearest_one_and_looks_nothing_up(
    desk: Desk, name: str, near: str
) -> None:
    outcome = desk.plan(rlvr(function=name))
    fault = finding(outcome, "REWARD_UNKNOWN")
    assert (fault.where, f"Did you mean {near}?" in fault.fix) == ("$.reward.function", bool(near))
    assert "exact_match, math_answer" in fault.fix
    assert desk.clients.mentions("SageMaker-reward") == []


def test_a_reward_that_is_not_deployed_is_an_error(desk: Desk) -> None:
    assert shown(desk.plan(rlvr(function="exact_match"))) == [("REWARD_NOT_FOUND", "$.reward.function")]


VERBS = [f"{FUNCTIONS}:{names.function_name('tunestep', verb)}" for verb in names.FUNCTIONS]
LISTED_ANYWAY = settings(reward_functions=tuple(VERBS), locations=("s3://my-data-bucket",))


class Refusal(NamedTuple):
    arn: str
    rules: Settings
    open: bool
    code: str


CLOSED, ELSEWHERE = "NOT_ALLOWED_BY_SETTINGS", REWARD_ARN.replace(ACCOUNT, "999999999999")
REFUSED = {
    "not listed": Refusal(REWARD_ARN, settings(), False, CLOSED),
    "not listed, an alias": Refusal(f"{REWARD_ARN}:prod", settings(), False, CLOSED),
    "begins like a listed one": Refusal(
        f"{REWARD_ARN}2", settings(reward_functions=(REWARD_ARN,)), False, CLOSED
    ),
    "another stack's reward": Refusal(
        f"{FUNCTIONS}:other-SageMaker-reward-math-answer", settings(), False, CLOSED
    ),
    "another region": Refusal(
        REWARD_ARN.replace("us-west-2", "us-east-1"), settings(), True, "REWARD_ELSEWHERE"
    ),
    "another account, although listed": Refusal(
        ELSEWHERE, settings(reward_functions=(ELSEWHERE,)), True, "REWARD_ELSEWHERE"
    ),
    **{arn.rpartition(":")[2]: Refusal(arn, LISTED_ANYWAY, True, CLOSED) for arn in VERBS},
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("form", ["lambda_arn", "evaluator_arn"])
def test_refused_functions_are_never_looked_up(desk: Desk, form: str, case: Refusal) -> None:
    arn, rules, open_, code = case
    asked = arn
    if form == "evaluator_arn":
        desk.world["hub"]["MYHUB/JsonDoc/my-eval"][0]["document"] = evaluator_document(arn, "RewardFunction")
        asked = EVALUATOR
    outcome = desk.plan(rlvr(**{form: asked}) | OWN_DATA, open=open_, settings=rules)
    assert shown(outcome) == [(code, f"$.reward.{form}")]
    assert [
        call for call in desk.clients.operations() if call in ("GetFunctionConfiguration", "ListTags")
    ] == []
    assert desk.clients.mentions(arn) == []


def test_a_function_that_only_has_the_name_of_a_stack_s_reward_is_refused(desk: Desk) -> None:
    impostor = names.reward_function_name("tunestep", "hidden")
    desk.world["functions"][impostor] = {"CodeSha256": "x"}
    outcome = desk.plan(rlvr(lambda_arn=f"{FUNCTIONS}:{impostor}") | OWN_DATA, open=False)
    assert shown(outcome) == [("NOT_ALLOWED_BY_SETTINGS", "$.reward.lambda_arn")]
    assert "GetFunctionConfiguration" not in desk.clients.operations()


@pytest.mark.parametrize("listed", [REWARD_ARN, f"{REWARD_ARN}:prod"])
def test_a_listed_function_may_be_used(desk: Desk, listed: str) -> None:
    rules = settings(reward_functions=(listed,))
    found = reward_of(desk, rlvr(lambda_arn=REWARD_ARN) | OWN_DATA, open=False, settings=rules)
    assert (found.kind, found.value, found.reference) == ("lambda_arn", REWARD_ARN, REWARD_ARN)
    assert "ListTags" not in desk.clients.operations()


@pytest.mark.parametrize(
    ("alias_code", "said"),
    [
        ("code-2", "Both are the same code now"),
        ("code-9", "other code than prod"),
        (None, "not be looked at"),
    ],
)
def test_an_alias_is_registered_without_it_and_the_difference_is_said(
    desk: Desk, alias_code: str | None, said: str
) -> None:
    asked = f"{REWARD_ARN}:prod"

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        if params["FunctionName"] != asked:
            return {"CodeSha256": "code-2"}
        if alias_code is None:
            raise Refused("ResourceNotFoundException", status=404)
        return {"CodeSha256": alias_code}

    desk.clients.overrides["GetFunctionConfiguration"] = answer
    outcome = desk.plan(rlvr(lambda_arn=asked))
    assert outcome.plan is not None
    assert outcome.plan.reward is not None
    assert outcome.plan.reward.reference == outcome.plan.reward.function_arn == REWARD_ARN
    assert outcome.plan.reward.code_sha256 == "code-2"
    assert said in finding(outcome, "REWARD_REGISTERED_UNQUALIFIED").message


def test_that_the_service_cannot_pin_a_reward_is_said(desk: Desk) -> None:
    outcome = desk.plan(rlvr(function="math_answer"))
    assert finding(outcome, "REWARD_NOT_PINNED").severity == "warning"
    assert STACK_REWARD in finding(outcome, "EVALUATOR_REGISTERED_LATER").message


@pytest.mark.parametrize("state", ["Pending", "Failed"])
def test_a_function_that_cannot_be_called_is_an_error(desk: Desk, state: str) -> None:
    desk.world["functions"]["SageMaker-mine"]["State"] = state
    assert shown(desk.plan(rlvr(lambda_arn=REWARD_ARN))) == [("REWARD_NOT_READY", "$.reward.lambda_arn")]


def test_a_function_that_may_not_be_looked_at_names_the_permission(desk: Desk) -> None:
    def denied(_: dict[str, Any]) -> dict[str, Any]:
        raise Refused("AccessDeniedException", "not you", 403)

    desk.clients.overrides["GetFunctionConfiguration"] = denied
    fault = finding(desk.plan(rlvr(lambda_arn=REWARD_ARN)), "REWARD_ACCESS_DENIED")
    assert "lambda:GetFunctionConfiguration" in fault.fix


def test_the_job_s_role_is_asked_whether_it_may_call_the_reward(desk: Desk) -> None:
    def deny_functions(params: dict[str, Any]) -> dict[str, Any]:
        denied = "lambda:InvokeFunction" in params["ActionNames"]
        return simulation(params, "implicitDeny" if denied else "allowed")

    desk.clients.overrides["SimulatePrincipalPolicy"] = deny_functions
    outcome = desk.plan(rlvr(function="math_answer"))
    assert any("lambda:InvokeFunction" in found.message + found.fix for found in outcome.findings)


def test_an_evaluator_brings_the_pins_of_its_function(desk: Desk) -> None:
    found = reward_of(desk, rlvr(evaluator_arn=EVALUATOR))
    assert (found.kind, found.evaluator_arn) == ("evaluator_arn", EVALUATOR)
    assert (found.function_arn, found.code_sha256) == (REWARD_ARN, "code-2")


def test_an_evaluator_brings_the_pins_of_its_prompt(desk: Desk) -> None:
    desk.put(PROMPT, SOUND)
    desk.world["hub"]["MYHUB/JsonDoc/my-eval"][0]["document"] = evaluator_document(PROMPT, "RewardPrompt")
    found = reward_of(desk, rlaif(evaluator_arn=EVALUATOR))
    assert (found.evaluator_arn, found.prompt_uri) == (EVALUATOR, PROMPT)
    assert found.prompt_sha256 == hashlib.sha256(SOUND.encode()).hexdigest()


@pytest.mark.parametrize("document", [{}, {"JsonContent": "{}"}, {"JsonContent": 7}])
def test_an_evaluator_without_a_reference_cannot_be_held_to_any_rule(
    desk: Desk, document: dict[str, Any]
) -> None:
    desk.world["hub"]["MYHUB/JsonDoc/my-eval"][0]["document"] = document
    closed = desk.plan(rlvr(evaluator_arn=EVALUATOR) | OWN_DATA, open=False)
    assert shown(closed) == [("EVALUATOR_REFERENCE_UNKNOWN", "$.reward.evaluator_arn")]
    assert (
        finding(desk.plan(rlvr(evaluator_arn=EVALUATOR)), "EVALUATOR_REFERENCE_UNKNOWN").severity == "warning"
    )


@pytest.mark.parametrize(
    "reference",
    ["arn:aws:iam::111122223333:role/x", "https://example.com/reward", "s3://b/../x", "file:///etc/passwd"],
)
def test_an_evaluator_that_refers_to_something_else_is_an_error(desk: Desk, reference: str) -> None:
    desk.world["hub"]["MYHUB/JsonDoc/my-eval"][0]["document"] = evaluator_document(
        reference, "RewardFunction"
    )
    (fault,) = shown(desk.plan(rlvr(evaluator_arn=EVALUATOR)))
    assert fault[0] in ("REWARD_ARN_INVALID", "PROMPT_URI_INVALID")


def test_an_evaluator_of_the_other_type_is_a_warning(desk: Desk) -> None:
    outcome = desk.plan(rlaif(evaluator_arn=EVALUATOR))
    assert "RewardFunction" in finding(outcome, "EVALUATOR_TYPE").message


def test_a_prompt_is_pinned_by_version_and_hash(desk: Desk) -> None:
    enabled = {"Status": "Enabled"}
    desk.clients.s3.put_bucket_versioning(Bucket="my-data-bucket", VersioningConfiguration=enabled)
    desk.put(PROMPT, SOUND)
    outcome = desk.plan(rlaif(prompt=PROMPT))
    assert outcome.plan is not None
    found = outcome.plan.reward
    assert found is not None
    assert (found.kind, found.reference, found.prompt_uri) == ("prompt", PROMPT, PROMPT)
    assert found.prompt_version_id
    assert found.prompt_sha256 == hashlib.sha256(SOUND.encode()).hexdigest()
    assert (found.judge_model, found.judge_prompt_template, found.contract) == (JUDGE, "", "")
    assert "judge_prompt_template" not in outcome.plan.hyperparameters
    assert finding(outcome, "PROMPT_NOT_PINNED").severity == "warning"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{{ prompt }}", "PROMPT_VARIABLES_MISSING"),
        ("{{ prompt", "PROMPT_INVALID"),
        (SOUND + "x" * 65_536, "PROMPT_UNREADABLE"),
        (None, "PROMPT_NOT_FOUND"),
    ],
)
def test_a_prompt_that_is_no_use_is_one_error(desk: Desk, body: str | None, code: str) -> None:
    if body is not None:
        desk.put(PROMPT, body)
    assert shown(desk.plan(rlaif(prompt=PROMPT))) == [(code, "$.reward.prompt")]


def test_a_prompt_that_is_not_text_is_an_error(desk: Desk) -> None:
    desk.clients.s3.put_object(
        Bucket="my-data-bucket", Key="prompts/judge.jinja", Body=b"\xff\xfe{{ prompt }}"
    )
    assert shown(desk.plan(rlaif(prompt=PROMPT))) == [("PROMPT_INVALID", "$.reward.prompt")]


@pytest.mark.parametrize(
    "uri",
    [
        PROMPT,
        "s3://elsewhere/judge.jinja",
        f"s3://{STACK_BUCKET}/runs/other/x.jinja",
        f"s3://{STACK_BUCKET}/state/x.jinja",
    ],
)
def test_a_refused_prompt_is_never_read(desk: Desk, uri: str) -> None:
    outcome = desk.plan(rlaif(prompt=uri) | OWN_DATA, open=False)
    assert shown(outcome) == [("NOT_ALLOWED_BY_SETTINGS", "$.reward.prompt")]
    assert desk.clients.mentions(uri.rpartition("/")[2]) == []


def test_a_prompt_in_the_stack_s_data_is_allowed(desk: Desk) -> None:
    desk.put(OWN_PROMPT, SOUND)
    assert reward_of(desk, rlaif(prompt=OWN_PROMPT) | OWN_DATA, open=False).prompt_uri == OWN_PROMPT


@pytest.mark.parametrize(
    ("written", "template"),
    [
        ("cot", "cot.jinja"),
        ("Builtin.Summarize", "summarize.jinja"),
        ("Builtin.ChainOfThought", "cot.jinja"),
        ("Builtin.Evaluation", "evaluate.jinja"),
        ("faithfulness", "faithfulness.jinja"),
        ("grader", "grader.jinja"),
    ],
)
def test_preset_prompts_go_by_all_their_names(desk: Desk, written: str, template: str) -> None:
    found = reward_of(desk, rlaif(prompt=written))
    assert found.judge_prompt_template.endswith(f"/{template}")
    assert found.reference == ""
