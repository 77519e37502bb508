"""The state machine, read from the top of ``Workflow.__init__`` to its end.

One JSON document grows from state to state: each writes one key and touches no other. What a person or
SageMaker can cause is data followed by a Choice; errors are for what should not happen, and every one of
them goes to CleanUp. The waits end by themselves, so the machine has no time limit of its own.
"""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from infra.arns import Arns
from infra.log_groups import log_group
from infra.roles import role
from infra.statements import allow, everywhere, traces
from infra.states import States
from tunestep import names

STATE_FUNCTIONS = (
    "validate",
    "check_dataset",
    "certify_reward",
    "claim_run",
    "request_approval",
    "register_evaluator",
    "prepare_registry",
    "start_training",
    "track_training",
    "collect_results",
    "notify",
    "clean_up",
)
"""The functions that the machine calls."""


class Workflow(Construct):
    """The machine with its role and its log."""

    def __init__(
        self, scope: Construct, id_: str, *, arns: Arns, functions: dict[str, lambda_.Function]
    ) -> None:
        super().__init__(scope, id_)
        states = States(self, functions)
        states.clean_up = self._failure_path(states)

        # Everything that can be known before money is spent.
        receive = sfn.Pass(
            self,
            "Receive",
            comment="The execution input is the request and nothing else, whatever its keys are called.",
            parameters={"request": sfn.JsonPath.string_at("$")},
        )
        validate = states.step(
            "ValidatePrerequisites", "validate", "plan", "Look everything up; resolve the request to a plan."
        )
        check_dataset = states.step(
            "CheckDataset", "check_dataset", "dataset", "Check the training and validation data."
        )
        certify_reward = states.step(
            "CertifyReward", "certify_reward", "reward", "Try the reward; weigh up all the findings so far."
        )
        met = sfn.Choice(
            self, "PrerequisitesMet?", comment="Any error finding ends the run with all of them."
        )
        approval_needed = sfn.Choice(
            self,
            "ApprovalNeeded?",
            comment="A gated licence, a request that asks for it, or the cost needs a person.",
        )

        # A person decides.
        await_approval = states.wait(
            "AwaitApproval",
            "request_approval",
            "approval",
            "$.plan.approval.state_timeout_seconds",
            "Ask for the decision and wait for it; nothing runs meanwhile.",
        )
        expired = states.outcome(
            "ApprovalExpired",
            "Nobody decided in time.",
            cause="Nobody decided before the approval expired. Nothing was created. "
            "To ask again, run `tunestep retry` with this run's id.",
        )
        await_approval.add_catch(expired, errors=[sfn.Errors.TIMEOUT], result_path="$.error")
        await_approval.add_catch(states.clean_up, errors=[sfn.Errors.ALL], result_path="$.error")
        approved = sfn.Choice(self, "Approved?", comment="Only an approval goes on.")

        # From here on things are created.
        register_evaluator = states.step(
            "RegisterEvaluator", "register_evaluator", "evaluator", "Have the reward where the job finds it."
        )
        prepare_registry = states.step(
            "PrepareRegistry", "prepare_registry", "registry", "Have the model package group."
        )
        start_training = states.quota_step(
            "StartTraining",
            "start_training",
            "training",
            "Compare with the plan again, then start the training job or adopt the one already started.",
        )
        await_training = states.wait(
            "AwaitTraining",
            "track_training",
            "training",
            "$.training.wait_seconds",
            "Wait for the job's end at no cost; the event or the reconciler ends the wait.",
        )
        timed_out = states.outcome(
            "TrainingTimedOut",
            "The job outlived its own limit and everything allowed on top.",
            error="TrainingJobFailed",
            cause="The training job did not end within its own time limit and the pending allowance. "
            "It is being stopped. To try again, run `tunestep retry` with this run's id.",
        )
        await_training.add_catch(timed_out, errors=[sfn.Errors.TIMEOUT], result_path="$.error")
        await_training.add_catch(states.clean_up, errors=[sfn.Errors.ALL], result_path="$.error")
        succeeded = sfn.Choice(
            self, "TrainingSucceeded?", comment="Only Completed goes on; anything unknown counts as failed."
        )
        collect_results = states.step(
            "CollectResults",
            "collect_results",
            "results",
            "Gather the model package, the metrics, the record.",
        )
        done = sfn.Succeed(self, "Done", comment="The run has succeeded.")
        notify = states.task("Notify", "notify", None, "Tell people; a failing notice never fails a run.")
        notify.add_catch(done, errors=[sfn.Errors.ALL], result_path="$.notice_error")

        # How they follow one another.
        receive.next(validate).next(check_dataset).next(certify_reward).next(met)
        met.when(
            sfn.Condition.string_equals("$.reward.verdict", "MET"),
            self._claim(states, approval_needed, notify),
        )
        for name, what in (
            ("BudgetExceeded", "Only limits on time, tokens or cost are in the way."),
            ("RewardNotCertified", "Only the reward is in the way."),
        ):
            met.when(
                sfn.Condition.string_equals("$.reward.verdict", name),
                states.outcome(name, what, cause_path="$.reward.cause"),
            )
        met.otherwise(
            states.outcome("PrerequisitesNotMet", "At least one check failed.", cause_path="$.reward.cause")
        )
        for why in ("$.plan.approval.needed", "$.dataset.review_needed"):
            approval_needed.when(sfn.Condition.boolean_equals(why, True), await_approval)
        approval_needed.otherwise(register_evaluator)
        await_approval.next(approved)
        approved.when(sfn.Condition.string_equals("$.approval.decision", "APPROVED"), register_evaluator)
        approved.when(
            sfn.Condition.string_equals("$.approval.decision", "DECLINED"),
            states.outcome("ApprovalDeclined", "A person declined.", cause_path="$.approval.cause"),
        )
        approved.otherwise(expired)
        register_evaluator.next(prepare_registry).next(start_training).next(await_training).next(succeeded)
        succeeded.when(sfn.Condition.string_equals("$.training.status", "Completed"), collect_results)
        succeeded.when(
            sfn.Condition.string_equals("$.training.status", "Stopped"),
            states.outcome("TrainingJobStopped", "Somebody stopped the job.", cause_path="$.training.cause"),
        )
        succeeded.otherwise(
            states.outcome("TrainingJobFailed", "The job failed.", cause_path="$.training.cause")
        )
        collect_results.next(notify).next(done)

        log = log_group(
            self,
            f"/aws/vendedlogs/states/{names.machine_name(arns.stack)}",
            arns.settings,
        )
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_name=names.machine_name(arns.stack),
            comment="One governed fine-tuning run. The input is the request.",
            definition_body=sfn.DefinitionBody.from_chainable(receive),
            role=self._role(arns),
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=log, level=sfn.LogLevel.ALL, include_execution_data=False),
        )

    def _failure_path(self, states: States) -> tasks.LambdaInvoke:
        """The way to FAILED, defined first because every state leads to it; returns where it begins."""
        failed = sfn.Fail(
            self,
            "Failed",
            comment="End as FAILED under the run's own error name.",
            error_path=sfn.JsonPath.string_at("$.error.Error"),
            cause_path=sfn.JsonPath.string_at("$.error.Cause"),
        )
        notify_failure = states.task(
            "NotifyFailure", "notify", None, "Tell people how the run ended; a notice never changes that."
        )
        notify_failure.add_catch(failed, errors=[sfn.Errors.ALL], result_path="$.notice_error")
        notify_failure.next(failed)
        clean_up = states.task(
            "CleanUp",
            "clean_up",
            "error",
            "Stop and remove what the run left behind; give the error its name.",
        )
        clean_up.add_catch(notify_failure, errors=[sfn.Errors.ALL], result_path="$.clean_up_error")
        clean_up.next(notify_failure)
        return clean_up

    def _claim(
        self, states: States, approval_needed: sfn.Choice, notify: tasks.LambdaInvoke
    ) -> tasks.LambdaInvoke:
        """One run per content; a duplicate ends here, with an error or with the earlier results."""
        claim_run = states.step(
            "ClaimRun", "claim_run", "claim", "Be the only run of this content, or find the one that is."
        )
        already_done = sfn.Choice(
            self,
            "AlreadyDone?",
            comment="The same content is fine-tuned once, and its results can be reused.",
        )
        reuse_results = sfn.Pass(
            self,
            "ReuseResults",
            comment="The request asked for it: end at once with the results of the run that made them.",
            input_path="$.claim.results",
            result_path="$.results",
        )
        claim_run.next(already_done)
        already_done.when(sfn.Condition.string_equals("$.claim.verdict", "CLAIMED"), approval_needed)
        already_done.when(sfn.Condition.string_equals("$.claim.verdict", "REUSED"), reuse_results)
        already_done.otherwise(
            states.outcome("DuplicateRun", "Another run comes first.", cause_path="$.claim.cause")
        )
        reuse_results.next(notify)
        return claim_run

    def _role(self, arns: Arns) -> iam.IRole:
        called = [arns.function(verb) for verb in STATE_FUNCTIONS]
        return role(
            self,
            "Role",
            "states.amazonaws.com",
            {
                "Functions": [allow(["lambda:InvokeFunction"], called)],
                "Log": [
                    everywhere(
                        "logs:CreateLogDelivery",
                        "logs:DeleteLogDelivery",
                        "logs:DescribeLogGroups",
                        "logs:DescribeResourcePolicies",
                        "logs:GetLogDelivery",
                        "logs:ListLogDeliveries",
                        "logs:PutResourcePolicy",
                        "logs:UpdateLogDelivery",
                    )
                ],
                "Traces": [
                    *traces(arns),
                    everywhere("xray:GetSamplingRules", "xray:GetSamplingTargets"),
                ],
            },
        )
