"""The resources of the synthesized template, besides the machine and the roles."""

import json
import re
import sys
from collections import Counter
from typing import Any

import pytest
from cfnlint.api import lint_all
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from infra.definition import resolve
from infra.rewards import architecture, deployed
from reward_functions import catalog
from tests.infra.support import FULL_SETTINGS, FULL_STACK, of_type, run_app, statements
from tunestep import environment, names, settings
from tunestep.dataset_check import DEADLINE_SECONDS
from tunestep.operate.leftovers import leftovers

REWARDS = catalog.names()
ROUTES = 7
TYPES = {
    "AWS::ApiGatewayV2::Api": 1,
    "AWS::ApiGatewayV2::Integration": 2,
    "AWS::ApiGatewayV2::Route": ROUTES,
    "AWS::ApiGatewayV2::Stage": 1,
    "AWS::CloudWatch::Alarm": 4 + len(REWARDS),
    "AWS::CloudWatch::Dashboard": 1,
    "AWS::DynamoDB::Table": 2,
    "AWS::Events::EventBus": 1,
    "AWS::Events::Rule": 8,
    "AWS::IAM::Role": len(names.FUNCTIONS) + 2 + len(REWARDS) * len(names.REWARD_CONTRACTS),
    "AWS::Lambda::EventSourceMapping": 1,
    "AWS::Lambda::Function": len(names.FUNCTIONS) + len(REWARDS) * len(names.REWARD_CONTRACTS),
    "AWS::Lambda::Permission": 5 + ROUTES,
    "AWS::Logs::LogGroup": len(names.FUNCTIONS) + 2 + len(REWARDS) * len(names.REWARD_CONTRACTS),
    "AWS::S3::Bucket": 1,
    "AWS::S3::BucketPolicy": 1,
    "AWS::SNS::Topic": 1,
    "AWS::SNS::TopicPolicy": 1,
    "AWS::SQS::Queue": 2,
    "AWS::SQS::QueuePolicy": 2,
    "AWS::StepFunctions::StateMachine": 1,
}


def _only(template: dict[str, Any], type_: str) -> dict[str, Any]:
    (properties,) = of_type(template, type_).values()
    return properties


def _references(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_references, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(_references, value.values())) if value else set()
    if isinstance(value.get("Ref"), str):
        found.add(value["Ref"])
    if "Fn::GetAtt" in value:
        found.add(value["Fn::GetAtt"][0])
    return found


def test_the_template_uses_exactly_these_resource_types(template: dict[str, Any]) -> None:
    assert Counter(r["Type"] for r in template["Resources"].values()) == TYPES


def test_settings_add_what_they_name_and_nothing_else(full_template: dict[str, Any]) -> None:
    assert Counter(r["Type"] for r in full_template["Resources"].values()) == {
        **TYPES,
        "AWS::Events::EventBusPolicy": 2,
        "AWS::IAM::Role": TYPES["AWS::IAM::Role"] + 1,
        "AWS::Scheduler::Schedule": 2,
        "AWS::SNS::Subscription": 4,
        "AWS::SNS::Topic": 3,
        "AWS::SNS::TopicPolicy": 3,
    }


def test_functions_join_the_network_of_the_settings_and_rewards_none(full_template: dict[str, Any]) -> None:
    functions = of_type(full_template, "AWS::Lambda::Function").values()
    joined = {one["FunctionName"] for one in functions if "VpcConfig" in one}
    assert joined == {names.function_name(FULL_STACK, verb) for verb in names.FUNCTIONS}
    wanted = {"SubnetIds": ["subnet-0123456789abcdef1"], "SecurityGroupIds": ["sg-0123456789abcdef1"]}
    assert all(one["VpcConfig"] == wanted for one in functions if "VpcConfig" in one)


@pytest.fixture(scope="module")
def with_app(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("app")
    (folder / "tunestep.yaml").write_text(
        "mlflow_app: create\n"
        "tags: {team: research, cost-center: '42'}\n"
        "permissions_boundary: arn:aws:iam::123456789012:policy/platform/boundary\n"
    )
    done = run_app(folder)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads((folder / "cdk.out" / "tunestep.template.json").read_text())
    return read


def test_an_app_of_the_stack_s_own_is_the_one_that_functions_use_and_roles_may_call(
    with_app: dict[str, Any],
) -> None:
    ((app, properties),) = of_type(with_app, "AWS::SageMaker::MlflowApp").items()
    assert with_app["Resources"][app]["DeletionPolicy"] == "Retain"
    assert properties["ModelRegistrationMode"] == "AutoModelRegistrationDisabled"
    used = {"Fn::GetAtt": [app, "Arn"]}
    for one in of_type(with_app, "AWS::Lambda::Function").values():
        variables = one.get("Environment", {}).get("Variables", {})
        if "TUNESTEP_SETTINGS" in variables:
            assert used in variables["TUNESTEP_SETTINGS"]["Fn::Join"][1]
    roles = json.dumps(of_type(with_app, "AWS::IAM::Role"))
    assert roles.count(json.dumps(used)) >= 2


def test_the_app_s_role_is_sagemaker_s_of_this_account_and_reaches_its_own_folder_alone(
    with_app: dict[str, Any],
) -> None:
    (role,) = [
        one for id_, one in of_type(with_app, "AWS::IAM::Role").items() if id_.startswith("MlflowRole")
    ]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    allowed = statements(with_app, "MlflowRole")
    assert {action for rule in allowed for action in rule["Action"]} == {
        *("s3:GetObject", "s3:PutObject", "s3:ListBucket")
    }
    for rule in allowed:
        if "s3:PutObject" in rule["Action"]:
            assert all(resource.endswith("/mlflow/*") for resource in rule["Resource"])


@pytest.mark.parametrize("which", ["template", "full_template"])
def test_no_resource_waits_for_itself(which: str, request: pytest.FixtureRequest) -> None:
    resources = request.getfixturevalue(which)["Resources"]
    waits = {}
    for logical_id, resource in resources.items():
        depends = resource.get("DependsOn", [])
        needed = _references(resource) | set([depends] if isinstance(depends, str) else depends)
        waits[logical_id] = needed & set(resources)
    while ready := {logical_id for logical_id, needed in waits.items() if not needed}:
        waits = {
            logical_id: needed - ready for logical_id, needed in waits.items() if logical_id not in ready
        }
    assert not waits


@pytest.mark.slow
@pytest.mark.parametrize("which", ["template", "full_template"])
def test_cfn_lint_finds_no_error(which: str, request: pytest.FixtureRequest) -> None:
    found = lint_all(json.dumps(request.getfixturevalue(which)))
    # CDK states the dependency of a function on its role twice (W3005); "I" is advice.
    assert [str(match) for match in found if match.rule.id[0] in "EW" and match.rule.id != "W3005"] == []


def _functions(template: dict[str, Any], stack: str = "tunestep") -> dict[str, dict[str, Any]]:
    """The functions that are no rewards, by name."""
    found = {f["FunctionName"]: f for f in of_type(template, "AWS::Lambda::Function").values()}
    return {name: f for name, f in found.items() if not name.startswith(names.reward_function_prefix(stack))}


def _rewards(template: dict[str, Any], stack: str = "tunestep") -> dict[tuple[str, str], dict[str, Any]]:
    """The rewards' functions, by the name of the reward and the wire contract it answers by."""
    found = {f["FunctionName"]: f for f in of_type(template, "AWS::Lambda::Function").values()}
    return {
        (reward, contract): found[names.reward_function_name(stack, reward, contract)]
        for reward in REWARDS
        for contract in names.REWARD_CONTRACTS
    }


def test_every_verb_is_a_function_with_the_agreed_name_and_handler(template: dict[str, Any]) -> None:
    functions = _functions(template)
    assert set(functions) == {names.function_name("tunestep", verb) for verb in names.FUNCTIONS}
    for verb in names.FUNCTIONS:
        properties = functions[names.function_name("tunestep", verb)]
        assert properties["Handler"] == f"lambdas.{verb}.handler"
        assert properties["Runtime"] == f"python{sys.version_info[0]}.{sys.version_info[1]}"
        assert properties["TracingConfig"] == {"Mode": "Active"}


def test_every_reward_of_the_catalogue_is_a_tagged_function_with_its_own_size(
    template: dict[str, Any],
) -> None:
    for (name, contract), properties in _rewards(template).items():
        entry = catalog.reward(name)
        assert "SageMaker" in properties["FunctionName"]
        assert properties["Handler"] == entry.handler
        assert properties["Tags"] == [{"Key": names.TAG_REWARD, "Value": name}]
        assert (properties["Timeout"], properties["MemorySize"]) == (entry.timeout, entry.memory)
        assert "ReservedConcurrentExecutions" not in properties
        assert properties["Environment"] == {"Variables": {"REWARD_CONTRACT": contract}}
        assert len(properties["Description"]) <= 256


def test_functions_and_rewards_run_on_arm64_or_on_what_settings_say(
    template: dict[str, Any], full_template: dict[str, Any]
) -> None:
    locks = {reward.name: reward.lock for reward in deployed()}
    for which, stack, wanted in ((template, "tunestep", "arm64"), (full_template, FULL_STACK, "x86_64")):
        assert {tuple(f["Architectures"]) for f in _functions(which, stack).values()} == {(wanted,)}
        for (name, _), properties in _rewards(which, stack).items():
            assert properties["Architectures"] == [architecture(locks[name], wanted)]


NAMED_BY = {
    "AWS::ApiGatewayV2::Api": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::EventBus": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}


def test_two_stages_in_one_account_and_region_name_nothing_alike(full_template: dict[str, Any]) -> None:
    """What has no name of ours is named by CloudFormation, after the stack as well."""
    assert NAMED_BY.keys() <= {resource["Type"] for resource in full_template["Resources"].values()}
    for type_, member in NAMED_BY.items():
        for properties in of_type(full_template, type_).values():
            if member in properties:
                assert FULL_STACK in json.dumps(properties[member]), properties[member]
    unknown = [
        (resource["Type"], member)
        for resource in full_template["Resources"].values()
        for member in resource.get("Properties", {})
        if member.endswith("Name") and resource["Type"] not in NAMED_BY
    ]
    assert {type_ for type_, _ in unknown} <= {
        *("AWS::ApiGatewayV2::Stage", "AWS::Events::EventBusPolicy", "AWS::Events::Rule"),
        *("AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission"),
    }


def test_settings_reserve_concurrency_and_configure_a_reward(full_template: dict[str, Any]) -> None:
    rewards = _rewards(full_template, FULL_STACK)
    assert {f["ReservedConcurrentExecutions"] for f in rewards.values()} == {5}
    configured = rewards["exact_match", "nova"]["Environment"]["Variables"]
    assert configured == {"REWARD_CONTRACT": "nova", "REWARD_CONFIG": '{"ignore_case":true}'}
    with_config = {name for name, f in rewards.items() if "REWARD_CONFIG" in f["Environment"]["Variables"]}
    assert with_config == {("exact_match", contract) for contract in names.REWARD_CONTRACTS}


def test_no_function_s_name_is_too_long_with_the_longest_stack_name(full_template: dict[str, Any]) -> None:
    for function in of_type(full_template, "AWS::Lambda::Function").values():
        assert len(function["FunctionName"]) <= 64


def test_every_function_has_a_role_and_a_log_of_its_own(template: dict[str, Any]) -> None:
    functions = of_type(template, "AWS::Lambda::Function").values()
    count = len(names.FUNCTIONS) + len(REWARDS) * len(names.REWARD_CONTRACTS)
    assert len({json.dumps(f["Role"]) for f in functions}) == count
    assert len({json.dumps(f["LoggingConfig"]) for f in functions}) == count
    assert {group["RetentionInDays"] for group in of_type(template, "AWS::Logs::LogGroup").values()} == {90}


def test_functions_share_one_asset_and_rewards_another(template: dict[str, Any]) -> None:
    core = {f["Code"]["S3Key"] for f in _functions(template).values()}
    rewards = {f["Code"]["S3Key"] for f in _rewards(template).values()}
    assert len(core) == len(rewards) == 1
    assert core != rewards


def test_the_check_of_the_data_has_time_to_write_and_room_for_a_parquet_file(
    template: dict[str, Any],
) -> None:
    (found,) = [
        properties
        for properties in of_type(template, "AWS::Lambda::Function").values()
        if properties["FunctionName"] == "tunestep-check-dataset"
    ]
    assert found["Timeout"] - DEADLINE_SECONDS >= 120
    assert found["EphemeralStorage"] == {"Size": 4096}


def test_a_function_can_read_the_environment_that_it_is_given(full_template: dict[str, Any]) -> None:
    for function in _functions(full_template, FULL_STACK).values():
        variables = resolve(function["Environment"]["Variables"], full_template["Resources"])
        assert len(json.dumps(variables)) < 4096
        read = environment.load(variables)
        assert (read.stack, read.region, read.account) == (FULL_STACK, "us-west-2", "123456789012")
        assert read.bucket == names.bucket_name(FULL_STACK, "123456789012", "us-west-2")
        assert read.table == names.table_name(FULL_STACK)
        assert read.machine_arn == names.machine_arn(FULL_STACK, "123456789012", "us-west-2")
        assert read.execution_role_arn.endswith(names.execution_role_name(FULL_STACK, "us-west-2"))
        assert read.topic_arn.endswith(names.topic_name(FULL_STACK))
        assert read.settings.allowed.locations == ("s3://research-data/corpora/", "s3://research-output")
        assert read.settings.max_runtime == "12h"
        assert read.rewards == REWARDS
        assert not read.open


def test_only_addresses_of_approvers_are_in_the_functions_environment(full_template: dict[str, Any]) -> None:
    for function in _functions(full_template, FULL_STACK).values():
        found = re.findall(r"[\w.]+@example\.com", json.dumps(function["Environment"]["Variables"]))
        assert set(found) == {"ann@example.com", "bob@example.com"}


def test_table_and_bucket_outlive_the_stack(template: dict[str, Any]) -> None:
    for resource in template["Resources"].values():
        if resource["Type"] in ("AWS::DynamoDB::Table", "AWS::S3::Bucket"):
            assert resource["DeletionPolicy"] == "Retain"
            assert resource["UpdateReplacePolicy"] == "Retain"


def _table(template: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [
        table for table in of_type(template, "AWS::DynamoDB::Table").values() if table["TableName"] == name
    ]
    return dict(found)


@pytest.mark.parametrize("name", ["tunestep-runs", "tunestep-evidence"])
def test_the_tables_have_the_agreed_keys_and_can_be_restored(template: dict[str, Any], name: str) -> None:
    table = _table(template, name)
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    # Only what an event came to is ever forgotten: nothing else has the attribute.
    forgotten = {"AttributeName": names.FORGET_AT, "Enabled": True}
    assert table.get("TimeToLiveSpecification") == (forgotten if name == "tunestep-runs" else None)


def test_the_evidence_table_is_protected_from_deletion(template: dict[str, Any]) -> None:
    table = _table(template, "tunestep-evidence")
    assert table["DeletionProtectionEnabled"] is True
    assert "GlobalSecondaryIndexes" not in table


def test_runs_are_listed_by_kind(template: dict[str, Any]) -> None:
    (index,) = _table(template, "tunestep-runs")["GlobalSecondaryIndexes"]
    assert index["IndexName"] == names.KIND_INDEX
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["kind", "created_at"]
    assert index["Projection"] == {"ProjectionType": "ALL"}


def test_the_bucket_is_versioned_private_and_encrypted(template: dict[str, Any]) -> None:
    bucket = _only(template, "AWS::S3::Bucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    (lifecycle,) = bucket["LifecycleConfiguration"]["Rules"]
    assert "NoncurrentVersionExpiration" in lifecycle
    assert "ExpirationInDays" not in lifecycle


@pytest.mark.parametrize("type_", ["AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"])
def test_bucket_queue_and_topic_refuse_what_comes_without_tls(type_: str, template: dict[str, Any]) -> None:
    policies = of_type(template, type_).values()
    assert policies
    for policy in policies:
        denied = [rule for rule in policy["PolicyDocument"]["Statement"] if rule["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [rule["Condition"] for rule in denied]


def test_a_customer_s_key_protects_table_bucket_and_topic(full_template: dict[str, Any]) -> None:
    key = settings.load(FULL_SETTINGS)
    assert key is not None
    tables = of_type(full_template, "AWS::DynamoDB::Table").values()
    topics = of_type(full_template, "AWS::SNS::Topic").values()
    bucket = _only(full_template, "AWS::S3::Bucket")
    for table in tables:
        assert table["SSESpecification"]["KMSMasterKeyId"] == key.kms_key
    for topic in topics:
        assert topic["KmsMasterKeyId"] == key.kms_key
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key.kms_key


def _taggable(type_: str) -> bool:
    """By the resource type's own schema, as CloudFormation publishes it."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-west-2", type_).schema
    return bool(schema["tagging"]["taggable"])


def _tags(properties: dict[str, Any]) -> dict[str, str]:
    tags = properties.get("Tags", {})
    return tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}


@pytest.mark.parametrize("which", ["full_template", "with_app"])
def test_tags_of_the_settings_are_on_everything_that_can_be_tagged(
    which: str, request: pytest.FixtureRequest
) -> None:
    resources = request.getfixturevalue(which)["Resources"]
    wanted = {"team": "research", "cost-center": "42"}
    taggable = {id_: one for id_, one in resources.items() if _taggable(one["Type"])}
    assert len({one["Type"] for one in taggable.values()}) > 10
    assert [
        id_ for id_, one in taggable.items() if not wanted.items() <= _tags(one["Properties"]).items()
    ] == []


def test_a_permissions_boundary_is_on_the_role_of_an_app_too(with_app: dict[str, Any]) -> None:
    for role in of_type(with_app, "AWS::IAM::Role").values():
        assert role["PermissionsBoundary"] == "arn:aws:iam::123456789012:policy/platform/boundary"


def test_the_machine_is_logged_without_data_and_traced(template: dict[str, Any]) -> None:
    machine = _only(template, "AWS::StepFunctions::StateMachine")
    assert machine["StateMachineName"] == "tunestep-fine-tuning"
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert machine["TracingConfiguration"] == {"Enabled": True}


def _rule_for(template: dict[str, Any], verb: str) -> dict[str, Any]:
    (rule,) = _rules_for(template, verb)
    return rule


def _rules_for(template: dict[str, Any], verb: str) -> list[dict[str, Any]]:
    (logical_id,) = [
        logical_id
        for logical_id, f in of_type(template, "AWS::Lambda::Function").items()
        if f["FunctionName"] == names.function_name("tunestep", verb)
    ]
    return [
        rule
        for rule in of_type(template, "AWS::Events::Rule").values()
        if rule["Targets"][0]["Arn"] == {"Fn::GetAtt": [logical_id, "Arn"]}
    ]


def test_the_beginning_of_a_run_is_told_by_an_event_outside_the_machine(template: dict[str, Any]) -> None:
    pattern = resolve(_rule_for(template, "notify")["EventPattern"], template["Resources"])
    assert pattern["source"] == ["aws.states"]
    assert pattern["detail"]["status"] == ["RUNNING"]
    assert len(pattern["detail"]["stateMachineArn"]) == 1


JOB_ENDED = {
    "source": ["aws.sagemaker"],
    "detail-type": ["SageMaker Training Job State Change"],
    "detail": {"TrainingJobStatus": ["Completed", "Failed", "Stopped"]},
}


def test_the_end_of_a_training_job_wakes_the_run(template: dict[str, Any]) -> None:
    assert _rule_for(template, "training_event")["EventPattern"] == JOB_ENDED


def test_the_end_of_a_training_job_completes_the_record_of_a_run_that_was_over(
    template: dict[str, Any],
) -> None:
    assert JOB_ENDED in [rule["EventPattern"] for rule in _rules_for(template, "clean_up")]


def test_a_run_that_ends_outside_its_own_failure_path_is_cleaned_up(template: dict[str, Any]) -> None:
    patterns = [
        resolve(rule["EventPattern"], template["Resources"]) for rule in _rules_for(template, "clean_up")
    ]
    assert {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": [names.machine_arn("tunestep", "123456789012", "us-west-2")],
            "status": ["FAILED", "TIMED_OUT", "ABORTED"],
        },
    } in patterns


def test_the_reconciler_looks_every_five_minutes(template: dict[str, Any]) -> None:
    assert _rule_for(template, "reconcile")["ScheduleExpression"] == "rate(5 minutes)"


def test_an_event_that_cannot_be_delivered_is_kept(template: dict[str, Any]) -> None:
    for rule in of_type(template, "AWS::Events::Rule").values():
        (target,) = rule["Targets"]
        assert "Arn" in target["DeadLetterConfig"]
        assert set(target["RetryPolicy"]) == {"MaximumEventAgeInSeconds", "MaximumRetryAttempts"}
    for queue in of_type(template, "AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] is True


def test_an_event_that_a_function_fails_on_is_kept(template: dict[str, Any]) -> None:
    kept = {
        f["FunctionName"]
        for f in of_type(template, "AWS::Lambda::Function").values()
        if "DeadLetterConfig" in f
    }
    assert kept == {"tunestep-training-event", "tunestep-clean-up", "tunestep-reconcile"}


@pytest.mark.parametrize("which", ["template", "full_template"])
def test_dead_letters_are_encrypted_take_tls_only_and_stay_14_days(
    which: str, request: pytest.FixtureRequest
) -> None:
    template = request.getfixturevalue(which)
    queues = of_type(template, "AWS::SQS::Queue")
    (letters,) = [id_ for id_, queue in queues.items() if "RedrivePolicy" not in queue]
    assert queues[letters]["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert queues[letters].get("SqsManagedSseEnabled") or queues[letters]["KmsMasterKeyId"]
    policies = of_type(template, "AWS::SQS::QueuePolicy").values()
    (rules,) = [p["PolicyDocument"]["Statement"] for p in policies if p["Queues"] == [{"Ref": letters}]]
    assert [rule["Condition"] for rule in rules if rule["Effect"] == "Deny"] == [
        {"Bool": {"aws:SecureTransport": "false"}}
    ]


def _kept(template: dict[str, Any]) -> dict[str, str]:
    """Type by logical id of what outlives the stack."""
    return {
        id_: resource["Type"]
        for id_, resource in template["Resources"].items()
        if resource.get("DeletionPolicy") not in (None, "Delete")
    }


def test_an_app_of_the_stack_s_own_outlives_it_with_its_role_and_destroy_says_so(
    template: dict[str, Any], with_app: dict[str, Any]
) -> None:
    added = {id_: type_ for id_, type_ in _kept(with_app).items() if id_ not in _kept(template)}
    assert sorted(added.values()) == ["AWS::IAM::Role", "AWS::SageMaker::MlflowApp"]
    (properties,) = of_type(with_app, "AWS::SageMaker::MlflowApp").values()
    assert properties["RoleArn"]["Fn::GetAtt"][0] in added
    assert f"MLflow app {properties['Name']}" in str(leftovers("tunestep", "BUCKET", mlflow_app=True))
    assert "MLflow" not in str(leftovers("tunestep", "BUCKET"))


def test_what_outlives_the_stack_is_what_destroy_says(template: dict[str, Any]) -> None:
    kept = set(_kept(template).values())
    assert kept == {"AWS::S3::Bucket", "AWS::DynamoDB::Table"}
    tables = {table["TableName"] for table in of_type(template, "AWS::DynamoDB::Table").values()}
    said = str(leftovers("tunestep", "BUCKET"))
    assert all(name in said for name in (*tables, "bucket BUCKET"))
