"""Role, group, MLflow, output and use case, each against one prepared account."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.planning import (
    ACCOUNT,
    APP,
    DEFAULT_APP,
    PACKAGE,
    QWEN,
    STACK_BUCKET,
    Desk,
    finding,
    prepared_account,
    settings,
    shown,
)
from tests.support.world_clients import TRUST, Refused, create_role, deny_everything
from tunestep import hub
from tunestep.checks.role import trusts_sagemaker
from tunestep.checks.use_case import MAX_SPEC_BYTES, group_name
from tunestep.errors import ServiceFault
from tunestep.settings import Settings

LAMBDA_TRUST = {
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]
}


@pytest.fixture(scope="module")
def account() -> Iterator[Desk]:
    with prepared_account() as prepared:
        create_role(prepared.clients, "lambda-role", LAMBDA_TRUST)
        prepared.clients.iam.create_role(
            RoleName="pathed", Path="/team/", AssumeRolePolicyDocument='{"Statement":[]}'
        )
        yield prepared


@pytest.fixture
def desk(account: Desk) -> Desk:
    account.reset()
    return account


def refusing(code: str, message: str = "no") -> Any:
    def refuse(_: Any) -> dict[str, Any]:
        raise Refused(code, message)

    return refuse


def role(name: str, account_id: str = ACCOUNT) -> dict[str, str]:
    return {"execution_role": f"arn:aws:iam::{account_id}:role/{name}"}


@pytest.mark.parametrize(
    ("request_part", "code"),
    [
        (role("absent-role"), "ROLE_NOT_FOUND"),
        ({"execution_role": "absent-role"}, "ROLE_NOT_FOUND"),
        (role("lambda-role"), "ROLE_NOT_TRUSTED"),
        (role("stack-role", "999999999999"), "ROLE_ELSEWHERE"),
        (role("wrong/path/stack-role"), "ROLE_NOT_FOUND"),
        (role("pathed"), "ROLE_NOT_FOUND"),
        (role("team/pathed"), "ROLE_NOT_TRUSTED"),
    ],
)
def test_an_unusable_role_is_one_error(desk: Desk, request_part: dict[str, str], code: str) -> None:
    outcome = desk.plan(request_part)
    assert shown(outcome) == [(code, "$.execution_role")]
    assert finding(outcome, code).fix


@pytest.mark.parametrize(
    ("document", "trusted"),
    [
        (TRUST, True),
        ({"Statement": TRUST["Statement"][0]}, True),
        ({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}]}, True),
        (
            {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": ["x.amazonaws.com", "sagemaker.amazonaws.com"]},
                        "Action": ["sts:TagSession", "sts:AssumeRole"],
                    }
                ]
            },
            True,
        ),
        (LAMBDA_TRUST, False),
        ({"Statement": [TRUST["Statement"][0] | {"Effect": "Deny"}]}, False),
        ({"Statement": [TRUST["Statement"][0] | {"Action": "sts:TagSession"}]}, False),
        ({"Statement": [TRUST["Statement"][0] | {"Principal": {"AWS": "sagemaker.amazonaws.com"}}]}, False),
        ({}, False),
        (None, False),
    ],
)
def test_trust_is_read_from_every_form_of_the_policy(document: Any, trusted: bool) -> None:
    assert trusts_sagemaker(document) is trusted


def test_a_simulated_denial_warns_and_does_not_block(desk: Desk) -> None:
    desk.clients.overrides["SimulatePrincipalPolicy"] = deny_everything
    outcome = desk.plan()
    assert outcome.plan is not None
    message = finding(outcome, "ROLE_MAY_LACK_PERMISSION").message
    assert "s3:GetObject on arn:aws:s3:::my-data-bucket/sft/train.jsonl" in message
    assert f"s3:PutObject on arn:aws:s3:::{STACK_BUCKET}/output/" in message


@pytest.mark.parametrize("code", ["AccessDenied", "NotImplemented", "InternalFailure", "Throttling"])
def test_a_simulation_that_is_not_to_be_had_is_said_and_stops_nothing(desk: Desk, code: str) -> None:
    desk.clients.overrides["SimulatePrincipalPolicy"] = refusing(code)
    outcome = desk.plan()
    assert outcome.plan is not None
    assert ("ROLE_PERMISSIONS_NOT_CHECKED", "$.execution_role") in shown(outcome, "info")


def test_a_role_that_may_not_be_read_is_a_warning_with_the_permission(desk: Desk) -> None:
    desk.clients.overrides["GetRole"] = refusing("AccessDenied")
    outcome = desk.plan()
    assert outcome.plan is not None
    assert "iam:GetRole" in finding(outcome, "ROLE_NOT_CHECKED").fix


def test_refused_credentials_are_a_fault_of_the_caller_not_of_the_request(desk: Desk) -> None:
    desk.clients.overrides["GetRole"] = refusing("InvalidClientTokenId")
    with pytest.raises(ServiceFault, match="credentials"):
        desk.plan()


@pytest.mark.parametrize(
    "by", ["my-models", f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:model-package-group/my-models"]
)
def test_a_group_is_found_by_name_and_by_arn(desk: Desk, by: str) -> None:
    plan = desk.plan({"model_package_group": by}).plan
    assert plan is not None
    assert plan.group.exists
    assert plan.group.arn == f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:model-package-group/my-models"


def test_a_group_that_is_not_there_will_be_created(desk: Desk) -> None:
    outcome = desk.plan({"model_package_group": "brand-new"})
    assert outcome.plan is not None
    assert not outcome.plan.group.exists
    assert outcome.plan.group.arn.endswith(":model-package-group/brand-new")
    assert ("GROUP_WILL_BE_CREATED", "$.model_package_group") in shown(outcome, "info")


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        (f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:model-package-group/absent", "GROUP_NOT_FOUND"),
        (f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model-package-group/my-models", "GROUP_ELSEWHERE"),
        ("arn:aws:sagemaker:us-west-2:999999999999:model-package-group/my-models", "GROUP_ELSEWHERE"),
    ],
)
def test_a_wrong_group_arn_is_one_error(desk: Desk, arn: str, code: str) -> None:
    outcome = desk.plan({"model_package_group": arn})
    assert shown(outcome) == [(code, "$.model_package_group")]
    assert "GROUP_WILL_BE_CREATED" not in {found for found, _ in shown(outcome, "info")}


def test_going_on_into_another_group_is_a_warning(desk: Desk) -> None:
    outcome = desk.plan({"base_model": PACKAGE, "model_package_group": "river-models"})
    assert outcome.plan is not None
    assert outcome.plan.group.name == "river-models"
    assert ("GROUP_DIFFERS", "$.model_package_group") in shown(outcome, "warning")


@pytest.mark.parametrize(
    ("use_case", "expected"),
    [
        ("Customer Support Chatbot", "customer-support-chatbot-v1"),
        ("  Réponses -- aux clients!  ", "reponses-aux-clients-v1"),
        ("R2D2", "r2d2-v1"),
    ],
)
def test_the_group_is_named_after_the_use_case(use_case: str, expected: str) -> None:
    assert group_name(use_case) == expected


@given(st.text(min_size=1))
def test_every_use_case_gives_a_valid_group_name(use_case: str) -> None:
    name = group_name(use_case)
    assert hub.NAME_PATTERN.fullmatch(name)
    assert name.endswith("-v1")


def test_a_use_case_file_gives_its_first_line(desk: Desk) -> None:
    desk.put("s3://my-data-bucket/use_case_spec.md", "\ufeff\n# Claims triage\n\nLong text.\n")
    plan = desk.plan({"use_case": "s3://my-data-bucket/use_case_spec.md"}).plan
    assert plan is not None
    assert plan.group.name == "claims-triage-v1"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (None, "USE_CASE_NOT_FOUND"),
        ("", "USE_CASE_UNREADABLE"),
        ("x" * (MAX_SPEC_BYTES + 1), "USE_CASE_UNREADABLE"),
    ],
)
def test_an_unusable_use_case_file_is_one_error(desk: Desk, body: str | None, code: str) -> None:
    uri = f"s3://my-data-bucket/{len(body or '')}-{body is None}.md"
    if body is not None:
        desk.put(uri, body)
    assert shown(desk.plan({"use_case": uri})) == [(code, "$.use_case")]


def test_a_use_case_file_that_is_no_text_is_an_error(desk: Desk) -> None:
    desk.clients.s3.put_object(Bucket="my-data-bucket", Key="binary.md", Body=b"\xff\xfe\x00")
    assert shown(desk.plan({"use_case": "s3://my-data-bucket/binary.md"})) == [
        ("USE_CASE_UNREADABLE", "$.use_case")
    ]


@pytest.mark.parametrize("use_case", ["s3://", "s3://my-data-bucket/../spec.md"])
def test_a_use_case_uri_that_is_none_is_an_error(desk: Desk, use_case: str) -> None:
    assert shown(desk.plan({"use_case": use_case})) == [("USE_CASE_URI_INVALID", "$.use_case")]


def test_the_account_default_app_is_used_and_not_the_first(desk: Desk) -> None:
    plan = desk.plan().plan
    assert plan is not None
    assert plan.mlflow is not None
    assert plan.mlflow.app_arn == DEFAULT_APP


@pytest.mark.parametrize("by", [APP, "first"])
def test_an_app_is_found_by_arn_and_by_name(desk: Desk, by: str) -> None:
    plan = desk.plan({"mlflow": {"app_arn": by, "experiment": "e", "run": "r"}}).plan
    assert plan is not None
    assert plan.mlflow is not None
    assert (plan.mlflow.app_arn, plan.mlflow.experiment, plan.mlflow.run) == (APP, "e", "r")


def test_the_settings_app_goes_before_the_account_default(desk: Desk) -> None:
    plan = desk.plan(settings=Settings(mlflow_app=APP)).plan
    assert plan is not None
    assert plan.mlflow is not None
    assert plan.mlflow.app_arn == APP


def test_mlflow_false_means_none_and_asks_nothing(desk: Desk) -> None:
    outcome = desk.plan({"mlflow": False})
    assert outcome.plan is not None
    assert outcome.plan.mlflow is None
    assert not [name for name in desk.clients.operations() if "Mlflow" in name]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: {"Summaries": []}, "MLFLOW_ABSENT"),
        (lambda _: {"Summaries": [{"Arn": APP, "Status": "Creating"}]}, "MLFLOW_ABSENT"),
        (refusing("AccessDeniedException"), "MLFLOW_NOT_RESOLVED"),
    ],
)
def test_the_absence_of_a_default_app_is_said_aloud(desk: Desk, answer: Any, code: str) -> None:
    desk.clients.overrides["ListMlflowApps"] = answer
    outcome = desk.plan()
    assert outcome.plan is not None
    assert outcome.plan.mlflow is None
    assert finding(outcome, code).severity == "warning"


@pytest.mark.parametrize(
    ("app", "code"),
    [
        (APP.replace("FIRST", "ABSENT"), "MLFLOW_APP_NOT_FOUND"),
        ("absent", "MLFLOW_APP_NOT_FOUND"),
        (APP.replace(ACCOUNT, "999999999999"), "MLFLOW_APP_ELSEWHERE"),
    ],
)
def test_a_named_app_that_cannot_be_used_is_an_error(desk: Desk, app: str, code: str) -> None:
    assert shown(desk.plan({"mlflow": {"app_arn": app}})) == [(code, "$.mlflow.app_arn")]


@pytest.mark.parametrize("status", ["Creating", "CreateFailed", "Deleting", "Deleted"])
def test_a_named_app_that_is_not_ready_is_an_error(desk: Desk, status: str) -> None:
    desk.clients.overrides["DescribeMlflowApp"] = lambda _: {"Arn": APP, "Status": status}
    assert shown(desk.plan({"mlflow": {"app_arn": APP}})) == [("MLFLOW_APP_NOT_READY", "$.mlflow.app_arn")]


def test_the_default_output_is_named_after_the_run(desk: Desk) -> None:
    named = desk.plan(run_id="run-7").plan
    unnamed = desk.plan().plan
    assert named is not None
    assert unnamed is not None
    assert named.output_uri == f"s3://{STACK_BUCKET}/output/run-7/"
    assert unnamed.output_uri == f"s3://{STACK_BUCKET}/output/{unnamed.request_hash[:16]}/"


@pytest.mark.parametrize(
    "output", ["s3://my-data-bucket/output/", "s3://my-data-bucket/output", "s3://my-data-bucket"]
)
def test_an_output_is_kept_exactly_as_given(desk: Desk, output: str) -> None:
    plan = desk.plan({"output": output}).plan
    assert plan is not None
    assert plan.output_uri == output


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("s3://absent-bucket/out/", "BUCKET_NOT_FOUND"),
        ("s3://my-data-bucket/a/../b/", "OUTPUT_URI_INVALID"),
        ("s3://my-data-bucket/a//b/", "OUTPUT_URI_INVALID"),
        (f"s3://{STACK_BUCKET}/requests/", "OUTPUT_STARTS_RUNS"),
        (f"s3://{STACK_BUCKET}/datasets/p/out/", "OUTPUT_STARTS_RUNS"),
        (f"s3://{STACK_BUCKET}/datasets", "OUTPUT_STARTS_RUNS"),
        (f"s3://{STACK_BUCKET}/req", "OUTPUT_STARTS_RUNS"),
    ],
)
def test_an_unusable_output_is_one_error(desk: Desk, output: str, code: str) -> None:
    assert shown(desk.plan({"output": output})) == [(code, "$.output")]


def test_an_output_bucket_that_may_not_be_looked_at_is_a_warning(desk: Desk) -> None:
    def closed(params: dict[str, Any]) -> dict[str, Any] | None:
        if params["Bucket"] == STACK_BUCKET:
            raise Refused("403", "no", 403)
        return None

    desk.clients.overrides["HeadBucket"] = closed
    outcome = desk.plan()
    assert outcome.plan is not None
    assert ("BUCKET_ACCESS_DENIED", "$.output") in shown(outcome, "warning")


def test_settings_made_for_another_bucket_do_not_matter_where_all_is_open(desk: Desk) -> None:
    assert desk.plan({"base_model": QWEN}, settings=settings(locations=("s3://elsewhere",))).plan is not None
