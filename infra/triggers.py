"""What starts a function besides the machine and people: three events and a clock.

Events are best effort and may repeat, so every target is idempotent; the reconciler is what catches
an event that never came.
"""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.arns import Arns


class Undelivered(Construct):
    """The queue of events that could not be delivered or that a function failed on three times."""

    def __init__(self, scope: Construct, id_: str, *, key: kms.IKey | None) -> None:
        super().__init__(scope, id_)
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )


class Triggers(Construct):
    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        arns: Arns,
        functions: dict[str, lambda_.Function],
        undelivered: sqs.IQueue,
    ) -> None:
        super().__init__(scope, id_)
        self._functions = functions
        self._undelivered = undelivered
        self._stack = arns.stack

        self._rule(
            "TrainingEnded",
            "training_event",
            "A training job has ended: wake the run that waits for it",
            pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Training Job State Change"],
                detail={"TrainingJobStatus": ["Completed", "Failed", "Stopped"]},
            ),
        )
        self._rule(
            "JobOutlivedItsRun",
            "clean_up",
            "A training job has ended: complete the record of a run that ended before it",
            pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Training Job State Change"],
                detail={"TrainingJobStatus": ["Completed", "Failed", "Stopped"]},
            ),
        )
        self._rule(
            "RunBegan",
            "notify",
            "A run has begun: tell people",
            pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={"stateMachineArn": [arns.machine], "status": ["RUNNING"]},
            ),
        )
        self._rule(
            "RunEndedBadly",
            "clean_up",
            "A run has ended where the machine itself could not clean up",
            pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "stateMachineArn": [arns.machine],
                    "status": ["FAILED", "TIMED_OUT", "ABORTED"],
                },
            ),
        )
        self._rule(
            "EveryFiveMinutes",
            "reconcile",
            "Look at what is pending, in case an event was lost",
            schedule=events.Schedule.rate(cdk.Duration.minutes(5)),
        )

    def _rule(
        self,
        id_: str,
        verb: str,
        description: str,
        *,
        pattern: events.EventPattern | None = None,
        schedule: events.Schedule | None = None,
    ) -> None:
        events.Rule(
            self,
            id_,
            description=f"{self._stack}: {description}",
            event_pattern=pattern,
            schedule=schedule,
            targets=[
                targets.LambdaFunction(
                    self._functions[verb],
                    dead_letter_queue=self._undelivered,
                    retry_attempts=10,
                    # A tick that is late is worth nothing: the next one does its work.
                    max_event_age=cdk.Duration.minutes(4) if schedule else cdk.Duration.hours(6),
                )
            ],
        )
