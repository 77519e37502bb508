"""The few kinds of state that the machine is made of, each with its retries and its way out."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

LAMBDA_FAULTS = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
)
"""Faults of the Lambda service itself: the function may never have run."""

TRANSIENT_FAULT = "TransientFault"
"""Our functions raise it for throttling and 5xx answers that outlived the client's own retries."""

QUOTA_REACHED = "QuotaReached"
"""StartTraining raises it while the account may have no further training job."""

EVENT = {
    "document": sfn.JsonPath.string_at("$"),
    "execution": {
        "arn": sfn.JsonPath.string_at("$$.Execution.Id"),
        "name": sfn.JsonPath.string_at("$$.Execution.Name"),
        "started_at": sfn.JsonPath.string_at("$$.Execution.StartTime"),
    },
    "state": sfn.JsonPath.string_at("$$.State.Name"),
}
"""What every function gets: the whole document, never picked paths, because a path that is missing
is States.Runtime and no Catch takes it."""


class States:
    """Builds states below a construct. ``clean_up`` is where errors go; it is set once it exists."""

    clean_up: tasks.LambdaInvoke

    def __init__(self, scope: Construct, functions: dict[str, lambda_.Function]) -> None:
        self._scope = scope
        self._functions = functions

    def task(self, state: str, verb: str, key: str | None, comment: str) -> tasks.LambdaInvoke:
        """An ordinary Task: the function gets the whole document and writes one key, or none."""
        task = tasks.LambdaInvoke(
            self._scope,
            state,
            lambda_function=self._functions[verb],
            comment=comment,
            payload=sfn.TaskInput.from_object(EVENT),
            payload_response_only=True,
            retry_on_service_exceptions=False,
            result_path=f"$.{key}" if key else sfn.JsonPath.DISCARD,
        )
        _retry(task, TRANSIENT_FAULT, *LAMBDA_FAULTS)
        return task

    def quota_step(self, state: str, verb: str, key: str, comment: str) -> tasks.LambdaInvoke:
        """A step that other jobs of the account may keep waiting: tried again for 52 minutes on average,
        105 at most."""
        task = self.step(state, verb, key, comment)
        task.add_retry(
            errors=[QUOTA_REACHED],
            interval=cdk.Duration.minutes(1),
            max_attempts=10,
            backoff_rate=2,
            max_delay=cdk.Duration.minutes(15),
            jitter_strategy=sfn.JitterType.FULL,
        )
        return task

    def step(self, state: str, verb: str, key: str, comment: str) -> tasks.LambdaInvoke:
        """A Task of the way to success: whatever it raises goes to CleanUp."""
        task = self.task(state, verb, key, comment)
        task.add_catch(self.clean_up, errors=[sfn.Errors.ALL], result_path="$.error")
        return task

    def wait(self, state: str, verb: str, key: str, timeout: str, comment: str) -> tasks.LambdaInvoke:
        """A Task that ends when somebody answers its token.

        Each attempt has a new token, so it is tried again only where the function may not have run.
        """
        task = tasks.LambdaInvoke(
            self._scope,
            state,
            lambda_function=self._functions[verb],
            comment=comment,
            integration_pattern=sfn.IntegrationPattern.WAIT_FOR_TASK_TOKEN,
            payload=sfn.TaskInput.from_object({**EVENT, "task_token": sfn.JsonPath.task_token}),
            task_timeout=sfn.Timeout.at(timeout),
            retry_on_service_exceptions=False,
            result_path=f"$.{key}",
        )
        _retry(task, *LAMBDA_FAULTS)
        return task

    def outcome(
        self, state: str, comment: str, *, error: str = "", cause: str = "", cause_path: str = ""
    ) -> sfn.Pass:
        """An end that is data, not an exception: give it its error name and go to CleanUp."""
        outcome = sfn.Pass(
            self._scope,
            state,
            comment=comment,
            parameters={
                "Error": error or state,
                "Cause": cause or sfn.JsonPath.string_at(cause_path),
            },
            result_path="$.error",
        )
        outcome.next(self.clean_up)
        return outcome


def _retry(task: tasks.LambdaInvoke, *errors: str) -> None:
    task.add_retry(
        errors=list(errors),
        interval=cdk.Duration.seconds(2),
        max_attempts=5,
        backoff_rate=2,
        max_delay=cdk.Duration.seconds(60),
        jitter_strategy=sfn.JitterType.FULL,
    )
