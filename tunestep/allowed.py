"""The settings ceiling: what a request may name at all.

Every answer is given from the request, the stack's names and the settings alone, before anything is
asked about the object, so that a refusal says nothing about whether the object exists.
"""

from collections.abc import Collection
from contextlib import suppress

from tunestep import names, s3uri
from tunestep.checks.context import PlanContext
from tunestep.findings import Finding, error
from tunestep.lambda_functions import FunctionArn
from tunestep.lambda_functions import parse as parse_function
from tunestep.s3uri import S3Uri, S3UriInvalid

CODE = "NOT_ALLOWED_BY_SETTINGS"


def service_bucket(region: str) -> str:
    """The service's own bucket with recipes, override specs and licence texts."""
    return f"jumpstart-cache-prod-{region}"


def refusal(where: str, what: str, setting: str) -> Finding:
    """The one finding for everything that is not listed."""
    return error(
        CODE,
        where,
        f"{what} is not part of this stack and is not listed in the settings, so a request may not use it.",
        f"Ask for it to be added under `allowed.{setting}` in tunestep.yaml, or leave the field out "
        "to use what the stack made.",
    )


def role(ctx: PlanContext, arn: str, where: str) -> Finding | None:
    """None when the execution role is the stack's or listed."""
    made = (ctx.execution_role_arn, *ctx.settings.allowed.execution_roles)
    return _listed(ctx, arn, made, where, "execution_roles")


def kms_key(ctx: PlanContext, arn: str, where: str) -> Finding | None:
    """None when the key is the stack's or listed."""
    made = (ctx.settings.kms_key or "", *ctx.settings.allowed.kms_keys)
    return _listed(ctx, arn, made, where, "kms_keys")


def subnet(ctx: PlanContext, subnet_id: str, where: str) -> Finding | None:
    return _listed(ctx, subnet_id, ctx.settings.allowed.subnets, where, "subnets")


def security_group(ctx: PlanContext, group_id: str, where: str) -> Finding | None:
    return _listed(ctx, group_id, ctx.settings.allowed.security_groups, where, "security_groups")


def mlflow_apps(ctx: PlanContext) -> tuple[str, ...]:
    """ARNs of the MLflow apps that the settings name; the stack makes none."""
    settings = ctx.settings
    return tuple(dict.fromkeys((*filter(None, [settings.mlflow_app]), *settings.allowed.mlflow_apps)))


def mlflow_app(ctx: PlanContext, arn: str, where: str) -> Finding | None:
    """None when the app is the settings' own or listed."""
    return _listed(ctx, arn, mlflow_apps(ctx), where, "mlflow_apps")


def group_is_listed(ctx: PlanContext, name: str) -> bool:
    """Whether the settings let requests use this model package group, whoever made it."""
    return ctx.open or name in ctx.settings.allowed.model_package_groups


def location(ctx: PlanContext, uri: S3Uri, where: str) -> Finding | None:
    """None when the URI may be read or written: in the stack's bucket, or below a listed location.

    The stack's own records are refused even where everything else is open. A URI without a closing
    slash is a string prefix to the service, so one that could reach them is refused too.
    """
    if uri.bucket == ctx.bucket:
        return _private(uri, where)
    if ctx.open or any(s3uri.is_within(uri, place) for place in _locations(ctx)):
        return None
    return refusal(where, str(uri), "locations")


def is_stack_reward(ctx: PlanContext, function: FunctionArn) -> bool:
    """Whether the function's name is that of a reward of this stack; its tag has to say so as well."""
    return function.name.startswith(names.reward_function_prefix(ctx.stack))


def is_listed_reward(ctx: PlanContext, function: FunctionArn) -> bool:
    """Whether the settings list the function, with or without a version or alias."""
    listed = filter(None, map(parse_function, ctx.settings.allowed.reward_functions))
    return function.unqualified in {entry.unqualified for entry in listed}


def reward_function(ctx: PlanContext, function: FunctionArn, where: str) -> Finding | None:
    """None when the function may score answers: a reward of this stack by its name, or a listed one.

    A function of another account or region is refused wherever the settings list it, and so are the
    stack's other functions, which would act with the stack's rights on whatever a request sends them.
    """
    if (function.region, function.account) != (ctx.region, ctx.account):
        return error(
            "REWARD_ELSEWHERE",
            where,
            f"{function.unqualified} is not in account {ctx.account} and region {ctx.region}.",
            "Deploy the reward there: `tunestep reward new` writes one to start from.",
        )
    if function.name in {names.function_name(ctx.stack, verb) for verb in names.FUNCTIONS}:
        return error(
            CODE,
            where,
            f"{function.name} is one of the functions that run this stack, and none of its rewards.",
            "Name a reward function; `tunestep reward list` shows the stack's own.",
        )
    if ctx.open or is_stack_reward(ctx, function) or is_listed_reward(ctx, function):
        return None
    return refusal(where, function.unqualified, "reward_functions")


def hub_file(ctx: PlanContext, uri: S3Uri, where: str) -> Finding | None:
    """Like location, for files that hub documents name: the service's own bucket is allowed."""
    if uri.bucket == service_bucket(ctx.region):
        return None
    return location(ctx, uri, where)


def _listed(
    ctx: PlanContext, value: str, allowed: Collection[str], where: str, setting: str
) -> Finding | None:
    if ctx.open or value in allowed:
        return None
    return refusal(where, value, setting)


def _locations(ctx: PlanContext) -> list[S3Uri]:
    """The listed locations; one that is no S3 URI allows nothing."""
    listed = []
    for text in ctx.settings.allowed.locations:
        with suppress(S3UriInvalid):
            listed.append(s3uri.parse(text))
    return listed


def _private(uri: S3Uri, where: str) -> Finding | None:
    if not any(uri.key.startswith(prefix) or prefix.startswith(uri.key) for prefix in names.PRIVATE_PREFIXES):
        return None
    return error(
        CODE,
        where,
        f"{uri} is, or contains, a part of the stack's bucket that holds its own records.",
        f"Use a key below {names.PREFIX_DATA} for data or below {names.PREFIX_OUTPUT} for output.",
    )
