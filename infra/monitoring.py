"""Alarms for what needs a look, and one dashboard.

CloudWatch cannot publish to a topic under SNS's own key, whose policy nobody can change (CloudWatch user
guide, "Notifying users on alarm changes"). So alarms notify people only with a customer-managed key, and
otherwise change their state and nothing else.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.arns import Arns
from tunestep import names

PERIOD = cdk.Duration.minutes(5)
HALF = 12
"""Widgets are as wide as half a row of the dashboard, which has 24 columns."""


class Watched(NamedTuple):
    """One alarm: it goes off as soon as the sum of its metrics within five minutes is not zero."""

    name: str
    text: str
    metrics: Sequence[cloudwatch.Metric]


def _of_machine(arns: Arns, metric: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/States",
        metric_name=metric,
        dimensions_map={"StateMachineArn": arns.machine},
        statistic="Sum",
        period=PERIOD,
    )


def _of_function(function: str, metric: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/Lambda",
        metric_name=metric,
        dimensions_map={"FunctionName": function},
        statistic="Sum",
        period=PERIOD,
        label=f"{function} {metric}",
    )


def _own(arns: Arns, metric: str) -> cloudwatch.Metric:
    """A metric of the functions' own. Its service is the stack, since several may share an account."""
    return cloudwatch.Metric(
        namespace="Tunestep",
        metric_name=metric,
        dimensions_map={"service": arns.stack},
        statistic="Sum",
        period=PERIOD,
    )


class Monitoring(Construct):
    """``notices`` is the topic that alarms publish to, or None where they cannot."""

    def __init__(
        self, scope: Construct, id_: str, *, arns: Arns, undelivered: sqs.IQueue, notices: sns.Topic | None
    ) -> None:
        super().__init__(scope, id_)
        self._arns, self._notices = arns, notices
        letters = undelivered.metric_approximate_number_of_messages_visible(
            statistic="Maximum", period=PERIOD
        )
        rewards = {
            reward: [
                _of_function(names.reward_function_name(arns.stack, reward, contract), "Errors")
                for contract in names.REWARD_CONTRACTS
            ]
            for reward in arns.rewards
        }
        reconcile = _of_function(names.function_name(arns.stack, "reconcile"), "Errors")
        failed = [_of_machine(arns, name) for name in ("ExecutionsFailed", "ExecutionsTimedOut")]
        for watched in (
            Watched("undelivered", "An event was not dealt with: see its dead-letter queue", [letters]),
            Watched("failed-runs", "A run failed: see `tunestep runs --status failed`", failed),
            Watched(
                "reconcile-errors",
                "The reconciler failed; until it works, lost events stay lost",
                [reconcile],
            ),
            Watched(
                "rejected",
                "Something that asked for a run was rejected: see rejected/ in the bucket",
                [_own(arns, "RejectedTriggers")],
            ),
            *(
                Watched(
                    f"reward-{reward.replace('_', '-')}-errors",
                    f"The reward {reward} failed on answers",
                    found,
                )
                for reward, found in rewards.items()
            ),
        ):
            self._alarm(watched)
        if notices:
            self._let_alarms_publish(notices)
        self._dashboard(letters, rewards)

    def _alarm(self, watched: Watched) -> None:
        metric: cloudwatch.IMetric = watched.metrics[0]
        if len(watched.metrics) > 1:
            metric = cloudwatch.MathExpression(
                expression="+".join(f"FILL(m{number}, 0)" for number in range(len(watched.metrics))),
                using_metrics={f"m{number}": one for number, one in enumerate(watched.metrics)},
                period=PERIOD,
                label=watched.name,
            )
        alarm = cloudwatch.Alarm(
            self,
            "".join(word.capitalize() for word in watched.name.split("-")),
            alarm_name=f"{self._arns.stack}-{watched.name}",
            alarm_description=watched.text,
            metric=metric,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if self._notices:
            alarm.add_alarm_action(actions.SnsAction(self._notices))

    def _let_alarms_publish(self, topic: sns.Topic) -> None:
        alarms = f"arn:{cdk.Aws.PARTITION}:cloudwatch:{cdk.Aws.REGION}:{cdk.Aws.ACCOUNT_ID}:alarm"
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID},
                    "ArnLike": {"aws:SourceArn": f"{alarms}:{self._arns.stack}-*"},
                },
            )
        )

    def _dashboard(self, letters: cloudwatch.Metric, rewards: Mapping[str, list[cloudwatch.Metric]]) -> None:
        arns = self._arns
        functions = [names.function_name(arns.stack, verb) for verb in names.FUNCTIONS]
        runs = ("Started", "Succeeded", "Failed", "Aborted", "TimedOut")
        board = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=f"{arns.stack}-overview")
        board.add_widgets(
            _graph("Runs", [_of_machine(arns, f"Executions{end}") for end in runs]),
            _graph("Rejected requests and undelivered events", [_own(arns, "RejectedTriggers"), letters]),
        )
        board.add_widgets(
            _graph("Errors of functions", [_of_function(name, "Errors") for name in functions]),
            _graph("Errors of rewards", [one for both in rewards.values() for one in both]),
        )


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=HALF, stacked=False)
