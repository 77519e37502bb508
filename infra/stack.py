"""The stack: what is in it, and in which order it is put together."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.arns import Arns, check
from infra.functions import Functions
from infra.notices import Notices
from infra.reward_functions import RewardFunctions
from infra.rewards import Reward
from infra.storage import Storage
from infra.training_role import TrainingRole
from infra.triggers import Triggers, Undelivered
from infra.workflow import Workflow
from tunestep.settings import Settings


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
        arns = Arns(settings, rewards=tuple(reward.name for reward in rewards))
        key = kms.Key.from_key_arn(self, "Key", settings.kms_key) if settings.kms_key else None

        Storage(self, "Storage", arns=arns, key=key)
        Notices(self, "Notices", arns=arns, key=key)
        TrainingRole(self, "Training", arns=arns)
        RewardFunctions(self, "Rewards", arns=arns, rewards=rewards)
        undelivered = Undelivered(self, "Undelivered").queue
        functions = Functions(
            self, "Functions", arns=arns, code=code, heavy=heavy, undelivered=undelivered
        ).by_verb
        Workflow(self, "Workflow", arns=arns, functions=functions)
        Triggers(self, "Triggers", arns=arns, functions=functions, undelivered=undelivered)

        cdk.CfnOutput(self, "Machine", value=arns.machine, description="ARN of the state machine")
        cdk.CfnOutput(self, "Bucket", value=arns.bucket_name, description="Data, output and records of runs")
        cdk.CfnOutput(self, "ExecutionRole", value=arns.execution_role, description="Role of training jobs")
