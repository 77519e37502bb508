"""What each function may do: one line per verb, read from the top. Nothing is granted anywhere else."""

from collections.abc import Callable

from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import statements as may
from infra.arns import Arns
from infra.statements import Statements

Grant = Callable[[Arns], Statements]

_PLAN: tuple[Grant, ...] = (may.reads_table, may.reads_run_files)
"""The stored plan, and the run's item with the hash that proves it."""

_CLEAN_UP: tuple[Grant, ...] = (
    *_PLAN,
    may.writes_table,
    may.writes_run_files,
    may.reads_jobs,
    may.stops_jobs,
    may.reads_runs,
)

GRANTS: dict[str, tuple[Grant, ...]] = {
    "validate": (
        *_PLAN,
        may.writes_table,
        may.writes_run_files,
        may.reads_hub,
        may.reads_registry,
        may.reads_group_records,
        may.reads_data,
        may.reads_roles,
        may.finds_mlflow_apps,
        may.looks_at_rewards,
    ),
    "check_dataset": (*_PLAN, may.writes_table, may.writes_run_files, may.reads_data),
    "certify_reward": (
        *_PLAN,
        may.writes_table,
        may.writes_run_files,
        may.reads_hub,
        may.reads_data,
        may.looks_at_rewards,
        may.invokes_rewards,
        may.asks_judges,
    ),
    "request_approval": (*_PLAN, may.writes_table, may.sends_notices, may.answers_tokens),
    "register_evaluator": (
        *_PLAN,
        may.writes_table,
        may.reads_hub,
        may.reads_data,
        may.looks_at_rewards,
        may.registers_evaluators,
    ),
    "prepare_registry": (
        *_PLAN,
        may.reads_registry,
        may.creates_groups,
        may.reads_group_records,
        may.writes_group_records,
    ),
    "start_training": (
        *_PLAN,
        may.writes_table,
        may.writes_run_files,
        may.reads_hub,
        may.reads_registry,
        may.reads_data,
        may.looks_at_rewards,
        may.reads_jobs,
        may.starts_jobs,
        may.stops_jobs,
    ),
    "track_training": (may.reads_table, may.writes_table, may.reads_jobs, may.answers_tokens),
    "collect_results": (
        *_PLAN,
        may.writes_table,
        may.writes_run_files,
        may.reads_jobs,
        may.reads_registry,
        may.reads_metrics,
        may.reads_data,
    ),
    "notify": (may.reads_table, may.writes_table, may.sends_notices),
    "clean_up": _CLEAN_UP,
    "start": (may.reads_table, may.writes_table, may.starts_runs, may.reads_runs),
    "decide": (
        may.reads_table,
        may.writes_table,
        may.reads_runs,
        may.answers_tokens,
        may.sends_notices,
    ),
    "stop": (*_CLEAN_UP, may.stops_runs, may.answers_tokens),
    "training_event": (may.reads_table, may.writes_table, may.reads_jobs, may.answers_tokens),
    "reconcile": (
        *_CLEAN_UP,
        may.lists_runs,
        may.stops_runs,
        may.answers_tokens,
        may.sends_notices,
    ),
}


def role(scope: Construct, id_: str, service: str, policies: dict[str, Statements]) -> iam.IRole:
    """A role that can do what the statements say and that nothing in CDK can add to."""
    made = iam.Role(
        scope,
        id_,
        assumed_by=iam.ServicePrincipal(service),
        inline_policies={
            name: iam.PolicyDocument(statements=rules, minimize=True)
            for name, rules in policies.items()
            if rules
        },
    )
    return made.without_policy_updates()


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
                *([may.allow(["sqs:SendMessage"], [queue_arn])] if queue_arn else []),
            ],
            "Verb": granted,
            "Keys": may.uses_keys(arns),
        },
    )
