"""What asks for runs besides people: uploads, events on the stack's own bus, schedules.

All of it takes one way, rule -> queue -> the trigger function, so that a burst waits in line, what fails is
tried again, and what keeps failing lies among the dead letters. Which uploads count is written here as
patterns and again in the function; nothing that a run writes matches them.
"""

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.arns import Arns
from infra.functions import SIZES
from infra.roles import role
from infra.statements import allow, uses_keys
from tunestep import names
from tunestep.source_settings import Schedule

DELIVERIES = 5
"""How often a message is tried before it goes to the dead letters."""

_MOST_AT_ONCE = 5
_MOST_EVENT_AGE = cdk.Duration.hours(24)


class Requests(Construct):
    """The queue, everything that feeds it, and the function that it feeds."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        arns: Arns,
        trigger: lambda_.Function,
        undelivered: sqs.IQueue,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, id_)
        self._arns, self._undelivered = arns, undelivered
        sources = arns.settings.sources
        self._queue = sqs.Queue(
            self,
            "Queue",
            queue_name=names.request_queue_name(arns.stack),
            encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(4),
            # Six times the function's time limit, as Lambda asks of a queue that it reads.
            visibility_timeout=cdk.Duration.seconds(6 * SIZES["trigger"].timeout),
            dead_letter_queue=sqs.DeadLetterQueue(queue=undelivered, max_receive_count=DELIVERIES),
        )
        lambda_.EventSourceMapping(
            self,
            "Deliver",
            target=trigger,
            event_source_arn=self._queue.queue_arn,
            batch_size=5,
            max_concurrency=_MOST_AT_ONCE,
            report_batch_item_failures=True,
        )
        if sources.s3_requests.enabled:
            self._uploads("RequestFiles", "A request file was uploaded", names.PREFIX_REQUESTS)
        if sources.presets.enabled:
            self._uploads("Datasets", "Data for a preset was uploaded", names.PREFIX_DATASETS)
        if sources.events.enabled:
            self._bus()
        if sources.schedules.enabled:
            self._schedules(arns.settings.schedules)

    def _uploads(self, id_: str, description: str, prefix: str) -> None:
        self._rule(
            id_,
            description,
            events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [self._arns.bucket_name]},
                    "object": {"key": [{"prefix": prefix}]},
                },
            ),
        )

    def _bus(self) -> None:
        """The bus names who may use it; identities of this account need a policy of their own as well."""
        bus = events.EventBus(self, "Bus", event_bus_name=names.bus_name(self._arns.stack))
        for principal in self._arns.settings.event_principals:
            arn = (
                principal
                if principal.startswith("arn:")
                else f"arn:{cdk.Aws.PARTITION}:iam::{principal}:root"
            )
            bus.add_to_resource_policy(
                iam.PolicyStatement(
                    sid="".join(char for char in principal if char.isalnum())[-60:],
                    principals=[iam.ArnPrincipal(arn)],
                    actions=["events:PutEvents"],
                    resources=[bus.event_bus_arn],
                    conditions={"StringEquals": {"events:detail-type": names.DETAIL_REQUESTED}},
                )
            )
        self._rule(
            "Asked",
            "A run was asked for on the stack's bus",
            events.EventPattern(
                source=events.Match.anything_but_prefix("aws."), detail_type=[names.DETAIL_REQUESTED]
            ),
            bus,
        )

    def _rule(
        self, id_: str, description: str, pattern: events.EventPattern, bus: events.IEventBus | None = None
    ) -> None:
        events.Rule(
            self,
            id_,
            description=f"{self._arns.stack}: {description}",
            event_bus=bus,
            event_pattern=pattern,
            targets=[
                targets.SqsQueue(
                    self._queue,
                    dead_letter_queue=self._undelivered,
                    retry_attempts=20,
                    max_event_age=_MOST_EVENT_AGE,
                )
            ],
        )

    def _schedules(self, schedules: tuple[Schedule, ...]) -> None:
        if not schedules:
            return
        sender = role(
            self,
            "Sender",
            "scheduler.amazonaws.com",
            {
                "Send": [allow(["sqs:SendMessage"], [self._queue.queue_arn, self._undelivered.queue_arn])],
                "Keys": uses_keys(self._arns),
            },
        )
        for schedule in schedules:
            scheduler.CfnSchedule(
                self,
                f"Schedule-{schedule.name}",
                name=f"{self._arns.stack}-{schedule.name}",
                description=f"{self._arns.stack}: asks for a run",
                schedule_expression=schedule.at,
                schedule_expression_timezone=schedule.timezone,
                state="ENABLED" if schedule.enabled else "DISABLED",
                flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
                target=scheduler.CfnSchedule.TargetProperty(
                    arn=self._queue.queue_arn,
                    role_arn=sender.role_arn,
                    input=json.dumps(_scheduled(schedule)),
                    dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                        arn=self._undelivered.queue_arn
                    ),
                    retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=3600, maximum_retry_attempts=20
                    ),
                ),
            )


def _scheduled(schedule: Schedule) -> dict[str, Any]:
    """What the schedule sends, in the form of an event; Scheduler fills in id and time (its user guide,
    "Adding context attributes")."""
    wanted = {"preset": schedule.preset, "training_data": schedule.training_data, "request": schedule.request}
    return {
        "source": "tunestep.schedule",
        "detail-type": names.DETAIL_SCHEDULED,
        "id": "<aws.scheduler.execution-id>",
        "time": "<aws.scheduler.scheduled-time>",
        "detail": {
            "schedule": schedule.name,
            **{member: value for member, value in wanted.items() if value is not None},
        },
    }
