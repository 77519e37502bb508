"""The HTTP API of the gate: who may call what, what is kept of a call, and that nothing is circular."""

import json
from typing import Any

import pytest

from infra.approvals import LOGGED
from tests.infra.support import of_type, statements
from tunestep import names

ROLE = "FunctionsApprovalsApiRole"


def _routes(template: dict[str, Any]) -> dict[str, str]:
    routes = of_type(template, "AWS::ApiGatewayV2::Route").values()
    return {route["RouteKey"]: route["AuthorizationType"] for route in routes}


def test_only_links_and_slack_are_public_and_the_rest_is_for_iam(template: dict[str, Any]) -> None:
    assert _routes(template) == {
        "GET /approvals/{approval_id}": "NONE",
        "HEAD /approvals/{approval_id}": "NONE",
        "POST /approvals/{approval_id}": "NONE",
        "POST /slack": "NONE",
        "GET /runs/approvals": "AWS_IAM",
        "POST /runs/{run}/decision": "AWS_IAM",
        "POST /runs": "AWS_IAM",
    }


def test_the_access_log_never_holds_a_path_or_a_query(full_template: dict[str, Any]) -> None:
    (stage,) = of_type(full_template, "AWS::ApiGatewayV2::Stage").values()
    kept = json.loads(stage["AccessLogSettings"]["Format"])
    assert kept == LOGGED
    assert "$context.routeKey" in kept.values()
    for forbidden in ("path", "query", "uri", "authorizer", "identity"):
        assert not any(forbidden in value.lower() for value in kept.values()), forbidden


def test_requests_are_throttled(template: dict[str, Any]) -> None:
    (stage,) = of_type(template, "AWS::ApiGatewayV2::Stage").values()
    limits = stage["DefaultRouteSettings"]
    assert 0 < limits["ThrottlingRateLimit"] <= limits["ThrottlingBurstLimit"] <= 100


def test_the_function_behind_the_api_does_not_know_it_and_those_that_send_links_do(
    template: dict[str, Any],
) -> None:
    (api,) = of_type(template, "AWS::ApiGatewayV2::Api")
    knowing = {
        function["FunctionName"]
        for function in of_type(template, "AWS::Lambda::Function").values()
        if "TUNESTEP_API_URL" in function.get("Environment", {}).get("Variables", {})
    }
    assert knowing == {names.function_name("tunestep", verb) for verb in ("request_approval", "reconcile")}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] in ("AWS::Lambda::Function", "AWS::IAM::Role") and "ApprovalsApi" in logical_id:
            assert api not in json.dumps(resource)


@pytest.mark.parametrize("which", ["template", "full_template"])
def test_the_api_s_function_creates_starts_and_stops_nothing(
    which: str, request: pytest.FixtureRequest
) -> None:
    actions = {
        action for rule in statements(request.getfixturevalue(which), ROLE) for action in rule["Action"]
    }
    services = {action.partition(":")[0] for action in actions}
    assert "sagemaker" not in services
    assert not {"states:StartExecution", "states:StopExecution", "iam:PassRole"} & actions
