"""The stack: what is in it, and in which order it is put together."""

from collections.abc import Mapping
from dataclasses import replace

import aws_cdk as cdk
import msgspec
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.approvals import ApprovalsApi
from infra.approvers import Approvers
from infra.arns import Arns, check
from infra.functions import Functions
from infra.mlflow_app import MlflowApp
from infra.monitoring import Monitoring
from infra.notices import Notices
from infra.requests import Requests
from infra.reward_functions import RewardFunctions
from infra.rewards import Reward
from infra.storage import Storage
from infra.training_role import TrainingRole
from infra.triggers import Triggers, Undelivered
from infra.workflow import Workflow
from tunestep.settings import CREATE, Settings


class TunestepStack(cdk.Stack):
    """One stack, for any account and region: it looks nothing up."""

    def __init__(
        self,
        scope: Construct,
        *,
        settings: Settings,
        code: lambda_.Code,
        heavy: lambda_.Code,
        rewards: Mapping[Reward, lambda_.Code],
    ) -> None:
        super().__init__(
            scope,
            settings.stack,
            stack_name=settings.stack,
            description="Tunestep: governed fine-tuning runs with SageMaker serverless training jobs",
            analytics_reporting=False,
        )
        check(settings)
        for name, value in settings.tags.items():
            cdk.Tags.of(self).add(name, value)
        if settings.permissions_boundary:
            iam.PermissionsBoundary.of(self).apply(
                iam.ManagedPolicy.from_managed_policy_arn(self, "Boundary", settings.permissions_boundary)
            )
        arns = Arns(settings, rewards=tuple(reward.name for reward in rewards))
        key = kms.Key.from_key_arn(self, "Key", settings.kms_key) if settings.kms_key else None

        storage = Storage(self, "Storage", arns=arns, key=key)
        if settings.mlflow_app == CREATE:
            made = MlflowApp(self, "Mlflow", arns=arns)
            made.node.add_dependency(storage.bucket)
            arns = replace(arns, settings=msgspec.structs.replace(settings, mlflow_app=made.arn))
        notices = Notices(self, "Notices", arns=arns, key=key).topic
        Approvers(self, "Approvers", arns=arns, key=key)
        TrainingRole(self, "Training", arns=arns)
        RewardFunctions(self, "Rewards", arns=arns, rewards=rewards)
        undelivered = Undelivered(self, "Undelivered", key=key).queue
        api = ApprovalsApi(self, "Approvals", arns=arns)
        functions = Functions(
            self,
            "Functions",
            arns=arns,
            code=code,
            heavy=heavy,
            undelivered=undelivered,
            api_url=api.url,
        ).by_verb
        api.serve(functions["approvals_api"], starts=functions["start_signed"])
        Workflow(self, "Workflow", arns=arns, functions=functions)
        Triggers(self, "Triggers", arns=arns, functions=functions, undelivered=undelivered)
        Requests(self, "Requests", arns=arns, trigger=functions["trigger"], undelivered=undelivered, key=key)
        Monitoring(self, "Monitoring", arns=arns, undelivered=undelivered, notices=notices if key else None)

        cdk.CfnOutput(self, "Machine", value=arns.machine, description="ARN of the state machine")
        cdk.CfnOutput(self, "Bucket", value=arns.bucket_name, description="Data, output and records of runs")
        cdk.CfnOutput(self, "ExecutionRole", value=arns.execution_role, description="Role of training jobs")
        cdk.CfnOutput(self, "ApprovalsUrl", value=api.url, description="Approval page and signed decisions")
