"""One handler per CloudFormation resource type that the template uses."""

from tunestep.local.resources import access, compute, http, messaging, storage
from tunestep.local.resources.context import Context, Handler

HANDLERS: dict[str, Handler] = {
    "AWS::IAM::Role": access.role,
    "AWS::IAM::Policy": access.policy,
    "AWS::IAM::ManagedPolicy": access.managed_policy,
    "AWS::S3::Bucket": storage.bucket,
    "AWS::DynamoDB::Table": storage.table,
    "AWS::KMS::Key": storage.key,
    "AWS::KMS::Alias": storage.alias,
    "AWS::SNS::Topic": messaging.topic,
    "AWS::SNS::Subscription": messaging.subscription,
    "AWS::SQS::Queue": messaging.queue,
    "AWS::Events::EventBus": messaging.event_bus,
    "AWS::Events::Rule": messaging.rule,
    "AWS::Scheduler::Schedule": messaging.schedule,
    "AWS::Lambda::Function": compute.function,
    "AWS::Lambda::EventSourceMapping": compute.event_source_mapping,
    "AWS::Lambda::EventInvokeConfig": compute.event_invoke_config,
    "AWS::Logs::LogGroup": compute.log_group,
    "AWS::ApiGatewayV2::Api": http.api,
    "AWS::ApiGatewayV2::Integration": http.integration,
    "AWS::ApiGatewayV2::Route": http.route,
    "AWS::ApiGatewayV2::Stage": http.stage,
    "AWS::SageMaker::MlflowApp": compute.mlflow_app,
    "AWS::StepFunctions::StateMachine": compute.machine,
}

WITHOUT_EFFECT: frozenset[str] = frozenset(
    {
        # Only the policies of roles are evaluated. (moto would apply a bucket's TLS-only statement
        # without its condition, and refuse everything.)
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::Events::EventBusPolicy",
        "AWS::Lambda::Permission",
        # Not emulated: no effect on a run.
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::CompositeAlarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::Logs::MetricFilter",
        "AWS::CDK::Metadata",
    }
)
"""Types that are accepted and do nothing."""


def remove_leftovers(context: Context) -> None:
    """Remove what an earlier template deployed and this one no longer has, where it would still act."""
    messaging.remove_rules(context)
