"""The HTTP API of the approval gate: public for links and Slack, IAM-authorised for signed requests.

The API knows its function, and the function never the API: it takes its own address from each request. The
address is given to the functions that send links, so nothing is circular.
"""

import json

from aws_cdk import aws_apigatewayv2 as gateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.acknowledged import AUTHORISATION, acknowledge
from infra.arns import Arns
from infra.log_groups import log_group
from tunestep import names

RATE, BURST = 20, 40
"""Requests a second that the stage lets through, and how many at once; the rest gets 429."""

LOGGED: dict[str, str] = {
    "id": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latency": "$context.responseLatency",
    "fault": "$context.integrationErrorMessage",
}
"""What the access log keeps. Path and query hold an approver's secret, so neither is there."""

PUBLIC: tuple[tuple[str, tuple[gateway.HttpMethod, ...]], ...] = (
    ("/approvals/{approval_id}", (gateway.HttpMethod.GET, gateway.HttpMethod.HEAD, gateway.HttpMethod.POST)),
    ("/slack", (gateway.HttpMethod.POST,)),
)
"""Routes that anybody may call: a link carries its secret, and Slack signs what it sends."""

SIGNED: tuple[tuple[str, tuple[gateway.HttpMethod, ...]], ...] = (
    ("/runs/approvals", (gateway.HttpMethod.GET,)),
    ("/runs/{run}/decision", (gateway.HttpMethod.POST,)),
)
"""Routes for which IAM checks the signature and the permission execute-api:Invoke."""

START = "/runs"
"""Likewise, by POST, to a function of its own: the one that anybody can reach starts nothing."""


class ApprovalsApi(Construct):
    """The API and its stage; ``url`` is the base of links. serve() adds the routes."""

    def __init__(self, scope: Construct, id_: str, *, arns: Arns) -> None:
        super().__init__(scope, id_)
        self._api = gateway.HttpApi(
            self,
            "Api",
            api_name=names.api_name(arns.stack),
            description=f"{arns.stack}: the approval page, Slack, and signed decisions",
            create_default_stage=False,
        )
        self.url: str = self._api.api_endpoint
        log_name = f"/aws/vendedlogs/{names.api_name(arns.stack)}"
        group = log_group(self, log_name, arns.settings)
        gateway.CfnStage(
            self,
            "Stage",
            api_id=self._api.api_id,
            stage_name="$default",
            auto_deploy=True,
            default_route_settings=gateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=RATE, throttling_burst_limit=BURST
            ),
            access_log_settings=gateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=group.log_group_arn, format=json.dumps(LOGGED)
            ),
        )

    def serve(self, function: lambda_.IFunction, *, starts: lambda_.IFunction) -> None:
        integration = integrations.HttpLambdaIntegration("Function", function)
        for path, methods in PUBLIC:
            for route in self._api.add_routes(path=path, methods=list(methods), integration=integration):
                acknowledge(
                    route,
                    (
                        AUTHORISATION,
                        "whoever calls it proves who is asking: by a link's secret, or Slack's signature",
                    ),
                )
        for path, methods in SIGNED:
            self._signed(path, methods, integration)
        self._signed(START, (gateway.HttpMethod.POST,), integrations.HttpLambdaIntegration("Starts", starts))

    def _signed(
        self,
        path: str,
        methods: tuple[gateway.HttpMethod, ...],
        integration: integrations.HttpLambdaIntegration,
    ) -> None:
        self._api.add_routes(
            path=path,
            methods=list(methods),
            integration=integration,
            authorizer=authorizers.HttpIamAuthorizer(),
        )
