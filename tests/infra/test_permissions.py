"""What roles may do, read from the synthesized template."""

import json
import re
from typing import Any

import pytest

from infra.definition import Place, resolve
from infra.permissions import GRANTS
from infra.statements import everywhere
from infra.wildcards import REASONS
from infra.workflow import STATE_FUNCTIONS
from reward_functions import catalog
from tests.infra.support import FULL_STACK, all_statements, function_role, of_type, statements
from tunestep import names

ROLE_POLICY_LIMIT = 10_240
"""Characters of all inline policies of a role together, white space not counted (IAM quotas)."""

EVIDENCE_WRITERS = {
    *("approvals_api", "decide", "reconcile", "request_approval", "revoke", "start_training"),
}
"""Functions that deliver decisions, cite an earlier one, or take one back."""


def _actions(template: dict[str, Any], verb: str) -> set[str]:
    return {action for rule in statements(template, function_role(verb)) for action in rule["Action"]}


def test_every_verb_has_its_own_grants() -> None:
    assert set(GRANTS) == set(names.FUNCTIONS)


@pytest.mark.parametrize("which", ["template", "full_template"])
def test_nothing_is_allowed_on_everything_without_a_stated_reason(
    which: str, request: pytest.FixtureRequest
) -> None:
    for rule in all_statements(request.getfixturevalue(which)):
        assert not any("*" in action for action in rule["Action"])
        if "*" in rule["Resource"]:
            assert set(rule["Action"]) <= set(REASONS)


def test_every_stated_reason_is_for_something_that_is_granted(full_template: dict[str, Any]) -> None:
    used = {
        action
        for rule in all_statements(full_template)
        if "*" in rule["Resource"]
        for action in rule["Action"]
    }
    assert used == set(REASONS)


def test_an_action_without_a_reason_is_refused_on_everything() -> None:
    with pytest.raises(KeyError, match="s3:DeleteObject"):
        everywhere("s3:DeleteObject")


def test_only_start_training_may_pass_a_role_and_only_to_sagemaker(full_template: dict[str, Any]) -> None:
    passing = [rule for rule in all_statements(full_template) if "iam:PassRole" in rule["Action"]]
    assert len(passing) == 1
    (rule,) = passing
    assert rule in statements(full_template, function_role("start_training"))
    assert rule["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert sorted(rule["Resource"]) == [
        f"arn:aws:iam::123456789012:role/{FULL_STACK}-sagemaker-execution-us-west-2",
        "arn:aws:iam::123456789012:role/teams/research-training",
    ]


def test_only_start_training_may_start_a_job(template: dict[str, Any]) -> None:
    able = [verb for verb in names.FUNCTIONS if "sagemaker:CreateTrainingJob" in _actions(template, verb)]
    assert able == ["start_training"]


def test_only_the_functions_that_are_asked_may_start_an_execution(template: dict[str, Any]) -> None:
    able = [verb for verb in names.FUNCTIONS if "states:StartExecution" in _actions(template, verb)]
    assert able == ["start", "start_signed", "trigger"]


def test_nothing_that_the_stack_or_a_job_may_write_can_start_a_run(full_template: dict[str, Any]) -> None:
    bucket = names.bucket_name(FULL_STACK, "123456789012", "us-west-2")
    written = {
        resource.split("/", 1)[1]
        for rule in all_statements(full_template)
        if "s3:PutObject" in rule["Action"]
        for resource in rule["Resource"]
        if f":{bucket}/" in resource
    }
    assert written
    for pattern in written:
        prefix = pattern.rstrip("*")
        assert not any(
            prefix.startswith(starting) or starting.startswith(prefix) for starting in names.TRIGGER_PREFIXES
        )


def test_no_function_may_write_data_delete_objects_or_change_policies(full_template: dict[str, Any]) -> None:
    for verb in names.FUNCTIONS:
        for rule in statements(full_template, function_role(verb)):
            if "s3:PutObject" in rule["Action"]:
                written = {resource.split("/", 1)[1] for resource in rule["Resource"]}
                also = {"prepare_registry": {"state/groups/*"}, "trigger": {"rejected/*"}}
                if written == {"evidence/*"}:
                    assert verb in EVIDENCE_WRITERS
                    continue
                assert written <= {"runs/*"} | also.get(verb, set())
            assert not {"s3:DeleteObject", "s3:PutBucketPolicy"} & set(rule["Action"])
            assert not [a for a in rule["Action"] if a.startswith("iam:") and not _harmless(a)]


def _harmless(action: str) -> bool:
    return action in ("iam:PassRole", "iam:GetRole", "iam:SimulatePrincipalPolicy")


def test_evidence_presets_and_state_are_nobody_s_source_of_data(full_template: dict[str, Any]) -> None:
    private = tuple(f"/{prefix}" for prefix in names.PRIVATE_PREFIXES if prefix != names.PREFIX_RUNS)
    for rule in all_statements(full_template):
        for resource in rule["Resource"]:
            if resource.startswith("arn:aws:s3:::") and FULL_STACK in resource:
                mine = resource.endswith(("/state/groups/*", "/presets/*", "/evidence/*"))
                assert mine or not any(part in resource for part in private), rule
                assert not resource.endswith("us-west-2/*"), rule


def test_only_the_steps_that_resolve_groups_may_see_which_ones_the_stack_made(
    full_template: dict[str, Any],
) -> None:
    able = [
        verb
        for verb in names.FUNCTIONS
        for rule in statements(full_template, function_role(verb))
        if "s3:GetObject" in rule["Action"]
        and any(resource.endswith("/state/groups/*") for resource in rule["Resource"])
    ]
    assert sorted(able) == ["prepare_registry", "validate"]


def test_only_the_trigger_reads_presets(full_template: dict[str, Any]) -> None:
    able = [
        verb
        for verb in names.FUNCTIONS
        for rule in statements(full_template, function_role(verb))
        if any(resource.endswith("/presets/*") for resource in rule["Resource"])
    ]
    assert able == ["trigger"]


def test_training_jobs_cannot_reach_the_records_of_runs(full_template: dict[str, Any]) -> None:
    for rule in statements(full_template, "TrainingRole"):
        assert not any("/runs/" in resource for resource in rule["Resource"])


def test_locations_of_the_settings_are_the_only_foreign_buckets(full_template: dict[str, Any]) -> None:
    buckets = {
        resource.removeprefix("arn:aws:s3:::").split("/")[0]
        for rule in all_statements(full_template)
        for resource in rule["Resource"]
        if resource.startswith("arn:aws:s3:::")
    }
    own = names.bucket_name(FULL_STACK, "123456789012", "us-west-2")
    assert buckets == {own, "jumpstart-cache-prod-us-west-2", "research-data", "research-output"}
    objects = {
        resource
        for rule in all_statements(full_template)
        for resource in rule["Resource"]
        if "research-" in resource and "/" in resource and "s3" in resource
    }
    assert objects == {"arn:aws:s3:::research-data/corpora/*", "arn:aws:s3:::research-output/*"}


def test_only_sagemaker_of_this_account_can_assume_the_execution_role(template: dict[str, Any]) -> None:
    roles = of_type(template, "AWS::IAM::Role")
    (properties,) = [found for logical_id, found in roles.items() if logical_id.startswith("TrainingRole")]
    (trust,) = resolve(properties["AssumeRolePolicyDocument"], template["Resources"])["Statement"]
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_the_machine_may_call_the_functions_of_its_states_and_no_other(template: dict[str, Any]) -> None:
    (rule,) = [r for r in statements(template, "WorkflowRole") if "lambda:InvokeFunction" in r["Action"]]
    assert len(rule["Resource"]) == len(STATE_FUNCTIONS)
    assert not any("*" in resource for resource in rule["Resource"])


def test_policies_name_the_machine_and_the_functions_without_referring_to_them(
    full_template: dict[str, Any],
) -> None:
    made = {
        logical_id
        for type_ in ("AWS::Lambda::Function", "AWS::StepFunctions::StateMachine")
        for logical_id in of_type(full_template, type_)
    }
    for properties in of_type(full_template, "AWS::IAM::Role").values():
        assert not any(f'"{logical_id}"' in json.dumps(properties) for logical_id in made)


def test_network_permissions_exist_only_with_subnets(
    template: dict[str, Any], full_template: dict[str, Any]
) -> None:
    def has_network(which: dict[str, Any]) -> bool:
        return any(a.startswith("ec2:") for r in all_statements(which) for a in r["Action"])

    assert not has_network(template)
    assert has_network(full_template)


KEYS = {
    "arn:aws:kms:us-west-2:123456789012:key/66666666-7777-8888-9999-000000000000",
    "arn:aws:kms:us-west-2:123456789012:key/11111111-2222-3333-4444-555555555555",
}
"""The stack's own, and the one that requests may name."""

EC2 = "arn:aws:ec2:us-west-2:123456789012:"
JOBS_NETWORK = {
    *(f"{EC2}subnet/subnet-0123456789abcdef0", f"{EC2}subnet/subnet-0fedcba9876543210"),
    f"{EC2}security-group/sg-0123456789abcdef0",
}
FUNCTIONS_NETWORK = {
    f"{EC2}subnet/subnet-0123456789abcdef1",
    f"{EC2}security-group/sg-0123456789abcdef1",
}


def _with(template: dict[str, Any], service: str, role: str = "") -> list[dict[str, Any]]:
    """The statements of a role, or of all, with an action of a service."""
    rules = statements(template, role) if role else all_statements(template)
    return [rule for rule in rules if any(action.startswith(f"{service}:") for action in rule["Action"])]


def test_keys_are_those_of_the_settings_and_functions_use_them_through_services_alone(
    template: dict[str, Any], full_template: dict[str, Any]
) -> None:
    assert _with(template, "kms") == []
    assert {resource for rule in _with(full_template, "kms") for resource in rule["Resource"]} == KEYS
    for verb in names.FUNCTIONS:
        rules = _with(full_template, "kms", function_role(verb))
        assert rules
        for rule in rules:
            if rule["Action"] == ["kms:CreateGrant"]:
                assert verb == "start_training"
                assert rule["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}
            else:
                assert all(
                    service.endswith(".us-west-2.amazonaws.com")
                    for service in rule["Condition"]["StringEquals"]["kms:ViaService"]
                )


def test_interfaces_are_made_in_the_networks_of_the_settings_alone(full_template: dict[str, Any]) -> None:
    networks = {function_role(verb): FUNCTIONS_NETWORK for verb in names.FUNCTIONS} | {
        "TrainingRole": JOBS_NETWORK
    }
    for role, network in networks.items():
        bounded = [rule for rule in _with(full_template, "ec2", role) if rule["Resource"] != ["*"]]
        assert {resource for rule in bounded for resource in rule["Resource"]} == {
            *network,
            f"{EC2}network-interface/*",
        }
    reasoned = [rule for rule in _with(full_template, "ec2") if rule["Resource"] == ["*"]]
    assert all(set(rule["Action"]) <= set(REASONS) for rule in reasoned)


def test_whatever_may_be_invoked_is_one_function_by_its_name(full_template: dict[str, Any]) -> None:
    function = "arn:aws:lambda:us-west-2:123456789012:function:"
    own = {f"{function}{names.function_name(FULL_STACK, verb)}" for verb in (*STATE_FUNCTIONS, "notify")}
    invoked = {
        resource
        for rule in all_statements(full_template)
        if "lambda:InvokeFunction" in rule["Action"]
        for resource in rule["Resource"]
    }
    assert invoked == own | _reward_arns(FULL_STACK) | {LISTED_REWARD}


def test_only_listed_mlflow_apps_can_be_reached(
    template: dict[str, Any], full_template: dict[str, Any]
) -> None:
    def apps(which: dict[str, Any]) -> set[str]:
        return {
            resource.rpartition("/")[2]
            for rule in all_statements(which)
            for resource in rule["Resource"]
            if any("mlflow" in action.lower() for action in rule["Action"]) and resource != "*"
        }

    assert apps(template) == set()
    assert apps(full_template) == {"app-RESEARCH12345", "app-DEFAULT123456"}


def test_no_role_outgrows_what_iam_takes(full_template: dict[str, Any]) -> None:
    place = Place(region="ap-southeast-2", account="123456789012")
    for logical_id, properties in of_type(full_template, "AWS::IAM::Role").items():
        text = ""
        for policy in properties.get("Policies", []):
            document = {**policy["PolicyDocument"]}
            document["Statement"] = [s for s in document["Statement"] if "Undelivered" not in str(s)]
            text += json.dumps(resolve(document, full_template["Resources"], place), separators=(",", ":"))
        assert len(text) < ROLE_POLICY_LIMIT * 0.9, logical_id


LISTED_REWARD = "arn:aws:lambda:us-west-2:123456789012:function:SageMaker-research-reward"


def _reward_arns(stack: str) -> set[str]:
    function = "arn:aws:lambda:us-west-2:123456789012:function"
    return {
        f"{function}:{names.reward_function_name(stack, reward, contract)}"
        for reward in catalog.names()
        for contract in names.REWARD_CONTRACTS
    }


def test_a_reward_may_do_nothing_but_write_its_log(template: dict[str, Any]) -> None:
    roles = [role for role in of_type(template, "AWS::IAM::Role") if role.startswith("Rewards")]
    assert len(roles) == len(catalog.names()) * len(names.REWARD_CONTRACTS)
    for role in roles:
        (rule,) = statements(template, role)
        assert set(rule["Action"]) == {"logs:CreateLogStream", "logs:PutLogEvents"}
        (group,) = rule["Resource"]
        assert "log-group:/aws/lambda/tunestep-SageMaker-reward-" in group


@pytest.mark.parametrize("role", ["certify_reward", "TrainingRole"])
def test_exactly_the_stack_s_rewards_and_the_listed_ones_may_be_invoked(
    role: str, template: dict[str, Any], full_template: dict[str, Any]
) -> None:
    for which, stack, listed in ((template, "tunestep", set()), (full_template, FULL_STACK, {LISTED_REWARD})):
        rules = statements(which, role if role == "TrainingRole" else function_role(role))
        (rule,) = [rule for rule in rules if "lambda:InvokeFunction" in rule["Action"]]
        assert set(rule["Resource"]) == _reward_arns(stack) | listed


def test_no_other_function_may_invoke_a_reward_or_ask_a_judge(full_template: dict[str, Any]) -> None:
    able = [
        verb
        for verb in names.FUNCTIONS
        for rule in statements(full_template, function_role(verb))
        if {"lambda:InvokeFunction", "bedrock:InvokeModel"} & set(rule["Action"])
        and not all(resource.endswith(f":function:{FULL_STACK}-notify") for resource in rule["Resource"])
    ]
    assert set(able) == {"certify_reward"}


def test_certification_may_ask_the_judges_and_no_other_model(template: dict[str, Any]) -> None:
    rules = statements(template, function_role("certify_reward"))
    (rule,) = [rule for rule in rules if "bedrock:InvokeModel" in rule["Action"]]
    judges = {resource.partition("::foundation-model/")[2] for resource in rule["Resource"]}
    assert judges == set(names.JUDGE_REGIONS)


def test_a_job_may_ask_the_judges_and_no_other_model(template: dict[str, Any]) -> None:
    rules = statements(template, "TrainingRole")
    (rule,) = [rule for rule in rules if "bedrock:InvokeModel" in rule["Action"]]
    asked = [re.split(r"::foundation-model/|:inference-profile/\*\.", arn)[1] for arn in rule["Resource"]]
    assert sorted(asked) == sorted([*names.JUDGE_REGIONS] * 2)


def test_only_register_evaluator_makes_hubs_and_imports_into_them(template: dict[str, Any]) -> None:
    making = {"sagemaker:CreateHub", "sagemaker:ImportHubContent"}
    assert [verb for verb in names.FUNCTIONS if making & _actions(template, verb)] == ["register_evaluator"]
    for rule in statements(template, function_role("register_evaluator")):
        if making & set(rule["Action"]):
            prefix = "arn:aws:sagemaker:us-west-2:123456789012:"
            assert set(rule["Resource"]) <= {f"{prefix}hub/*", f"{prefix}hub-content/*/JsonDoc/*"}


def test_whoever_compares_a_reward_s_code_may_read_its_hash(full_template: dict[str, Any]) -> None:
    able = [v for v in names.FUNCTIONS if "lambda:GetFunctionConfiguration" in _actions(full_template, v)]
    assert able == ["validate", "certify_reward", "register_evaluator", "start_training"]


def test_evidence_is_added_to_and_never_changed_or_deleted(full_template: dict[str, Any]) -> None:
    table = f"table/{names.evidence_table_name(FULL_STACK)}"
    actions, files = set(), []
    for rule in all_statements(full_template):
        if any(table in json.dumps(resource) for resource in rule["Resource"]):
            actions |= set(rule["Action"])
        if "s3:PutObject" in rule["Action"] and "evidence/*" in json.dumps(rule["Resource"]):
            files.append(rule)
    assert actions == {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"}
    assert files
    for rule in files:
        assert rule["Condition"] == {"Null": {"s3:if-none-match": "false"}}
        assert rule["Action"] == ["s3:PutObject"]


def test_only_functions_that_take_part_in_a_decision_may_add_evidence(template: dict[str, Any]) -> None:
    writers = {
        verb
        for verb in names.FUNCTIONS
        for rule in statements(template, function_role(verb))
        if "dynamodb:PutItem" in rule["Action"] and "-evidence" in json.dumps(rule["Resource"])
    }
    assert writers == EVIDENCE_WRITERS


def test_logs_of_training_jobs_are_read_by_what_ends_failed_runs_alone(
    full_template: dict[str, Any],
) -> None:
    readers = {verb for verb in names.FUNCTIONS if "logs:GetLogEvents" in _actions(full_template, verb)}
    assert readers == {"clean_up", "stop", "reconcile"}
    for rule in all_statements(full_template):
        if "logs:GetLogEvents" in rule["Action"]:
            assert all(arn.endswith(f":log-group:{names.TRAINING_LOG_GROUP}:*") for arn in rule["Resource"])


def test_the_boundary_of_the_settings_limits_every_role_and_without_one_none_is_limited(
    template: dict[str, Any], full_template: dict[str, Any]
) -> None:
    boundary = "arn:aws:iam::123456789012:policy/platform/boundary"
    for role in of_type(full_template, "AWS::IAM::Role").values():
        assert role["PermissionsBoundary"] == boundary
    assert not any("PermissionsBoundary" in role for role in of_type(template, "AWS::IAM::Role").values())
