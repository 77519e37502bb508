"""What each function may do: one line per verb, read from the top. Nothing is granted anywhere else."""

from collections.abc import Callable

from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import sagemaker_statements as sagemaker
from infra import statements as may
from infra.arns import Arns
from infra.roles import role
from infra.statements import Statements

Grant = Callable[[Arns], Statements]

_PLAN: tuple[Grant, ...] = (may.reads_table, may.reads_run_files)
"""The stored plan, and the run's item with the hash that proves it."""

_CLEAN_UP: tuple[Grant, ...] = (
    *_PLAN,
    may.writes_table,
    may.writes_run_files,
    sagemaker.reads_jobs,
    sagemaker.knows_own_jobs,
    sagemaker.reads_job_logs,
    sagemaker.reads_metrics,
    sagemaker.stops_jobs,
    may.has_decisions_shown,
)

GRANTS: dict[str, tuple[Grant, ...]] = {
    "validate": (
        *_PLAN,
        may.changes_items,
        may.writes_run_files,
        sagemaker.reads_hub,
        sagemaker.lists_models,
        sagemaker.reads_packages,
        sagemaker.reads_groups,
        may.reads_group_records,
        may.reads_data,
        may.reads_roles,
        sagemaker.finds_mlflow_apps,
        may.looks_at_rewards,
        may.tells_rewards,
        may.reads_evidence,
        may.finds_approvers,
    ),
    "check_dataset": (
        *_PLAN,
        may.changes_items,
        may.writes_run_files,
        may.reads_data,
        may.reads_versions,
        may.finds_approvers,
    ),
    "certify_reward": (
        *_PLAN,
        may.writes_run_files,
        may.reads_data,
        may.reads_versions,
        may.looks_at_rewards,
        may.invokes_rewards,
        may.asks_judges,
    ),
    "claim_run": (
        *_PLAN,
        may.adds_items,
        may.changes_items,
        may.writes_run_files,
        may.reads_runs,
        sagemaker.reads_jobs,
        sagemaker.reads_packages,
    ),
    "request_approval": (
        *_PLAN,
        may.writes_table,
        may.sends_notices,
        may.mails_approvers,
        may.talks_to_slack,
        may.answers_tokens,
        may.reads_evidence,
        may.writes_evidence,
    ),
    "register_evaluator": (
        *_PLAN,
        may.changes_items,
        sagemaker.reads_hub,
        may.reads_data,
        may.looks_at_rewards,
        sagemaker.registers_evaluators,
        may.reads_evidence,
    ),
    "prepare_registry": (
        *_PLAN,
        sagemaker.reads_groups,
        sagemaker.creates_groups,
        may.reads_group_records,
        may.writes_group_records,
        may.reads_evidence,
    ),
    "start_training": (
        *_PLAN,
        may.adds_items,
        may.changes_items,
        may.writes_run_files,
        sagemaker.reads_hub,
        may.reads_data,
        may.looks_at_rewards,
        sagemaker.reads_jobs,
        sagemaker.knows_own_jobs,
        sagemaker.starts_jobs,
        sagemaker.stops_jobs,
        may.has_notices_sent,
        may.reads_evidence,
        may.writes_evidence,
    ),
    "track_training": (
        may.reads_table,
        may.changes_items,
        may.removes_items,
        sagemaker.reads_jobs,
        may.answers_tokens,
        may.fails_tokens,
    ),
    "collect_results": (
        *_PLAN,
        may.writes_table,
        may.writes_run_files,
        sagemaker.reads_jobs,
        sagemaker.reads_packages,
        sagemaker.lists_packages,
        sagemaker.reads_metrics,
        may.reads_data,
    ),
    "notify": (*_PLAN, may.adds_items, may.changes_items, may.sends_notices, may.talks_to_slack),
    "clean_up": _CLEAN_UP,
    "start": (may.reads_table, may.writes_table, may.starts_runs, may.reads_runs),
    "start_signed": (may.reads_table, may.writes_table, may.starts_runs, may.reads_runs),
    "trigger": (
        may.reads_table,
        may.writes_table,
        may.starts_runs,
        may.receives_requests,
        may.reads_presets,
        may.reads_request_files,
        may.writes_rejections,
        sagemaker.lists_packages,
    ),
    "decide": (
        may.reads_table,
        may.changes_items,
        may.removes_items,
        may.answers_tokens,
        may.sends_notices,
        may.has_decisions_shown,
        may.writes_evidence,
    ),
    "approvals_api": (
        may.reads_table,
        may.changes_items,
        may.removes_items,
        may.lists_runs,
        may.answers_tokens,
        may.sends_notices,
        may.talks_to_slack,
        may.has_decisions_shown,
        may.writes_evidence,
    ),
    "revoke": (may.looks_up_evidence, may.writes_evidence),
    "stop": (*_CLEAN_UP, may.stops_runs, may.fails_tokens),
    "training_event": (
        may.reads_table,
        may.removes_items,
        sagemaker.reads_jobs,
        may.answers_tokens,
        may.fails_tokens,
    ),
    "reconcile": (
        *_CLEAN_UP,
        may.lists_runs,
        may.reads_runs,
        may.stops_runs,
        may.answers_tokens,
        may.fails_tokens,
        may.sends_notices,
        may.mails_approvers,
        may.talks_to_slack,
        may.writes_evidence,
    ),
}


def function_role(scope: Construct, verb: str, arns: Arns, log_group: str, queue_arn: str) -> iam.IRole:
    """The role of one function."""
    granted = [statement for grant in GRANTS[verb] for statement in grant(arns)]
    return role(
        scope,
        "Role",
        "lambda.amazonaws.com",
        {
            "Function": [
                *may.writes_logs(log_group, arns),
                *may.traces(arns),
                *may.joins_network(arns),
                *([may.allow(["sqs:SendMessage"], [queue_arn])] if queue_arn else []),
            ],
            "Verb": granted,
            "Keys": may.uses_keys(arns),
        },
    )
