"""Checks that cost nothing and make nothing: the hub, the policies, MLflow, the plan."""

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from tunestep import hub, names, recipes
from tunestep.aws import error_code
from tunestep.checks.calls import ask
from tunestep.metrics import MetricsUnavailable, MlflowReader
from tunestep.operate.probe.trial import Outcome, Trial, confirmed, not_tried, refuted

_NEGATED = ("Not", "Null", "ForAnyValue", "ForAllValues")
_FORBIDDEN = "iam:CreateUser"


def hub_document(trial: Trial) -> Outcome:
    """DescribeHubContent of the model has what the plan reads."""
    found = hub.describe_model(trial.clients.sagemaker, trial.model)
    if isinstance(found, hub.Absence):
        return refuted(f"{trial.model} cannot be read: {found.problem} {found.message}")
    collection = found.document.get("RecipeCollection")
    if not isinstance(collection, list) or not collection:
        return refuted(f"the document of {trial.model} {found.version} has no RecipeCollection")
    trial.known["model"] = found
    return confirmed(
        f"{trial.model} {found.version} has {len(collection)} recipes; "
        f"gated: {'yes' if found.gated else 'no'}"
    )


def recipe_spec(trial: Trial) -> Outcome:
    """The override spec of the model's SFT recipe is readable and has the expected members."""
    model = trial.known.get("model")
    if model is None:
        return not_tried("the hub document was not read")
    choice = recipes.choose(model.document, "SFT", "LORA", None)
    if isinstance(choice, recipes.NoRecipe):
        return refuted(f"no recipe for SFT with LoRA: it lacks {choice.lacks}")
    uri = str(choice.recipe.get("SmtjOverrideParamsS3Uri") or "")
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not key:
        return refuted("the recipe names no SmtjOverrideParamsS3Uri")
    return _options(trial, bucket, key)


def _options(trial: Trial, bucket: str, key: str) -> Outcome:
    answer = ask(trial.clients.s3.get_object, Bucket=bucket, Key=key)
    if answer.problem:
        return refuted(f"the spec cannot be read: {answer.problem} {answer.message}")
    try:
        options = json.loads(answer.data["Body"].read(recipes.MAX_SPEC_BYTES + 1))
    except ValueError:
        return refuted("the spec is not JSON")
    shaped = [name for name, option in options.items() if isinstance(option, dict) and "type" in option]
    if not shaped:
        return refuted("no option of the spec has a type")
    return confirmed(f"{len(shaped)} options with a type, among them {', '.join(sorted(shaped)[:3])}")


def policies(trial: Trial) -> Outcome:
    """IAM's own simulation allows what each function's policies list, and nothing beyond."""
    asked, wrong, unread = 0, [], []
    for verb in names.FUNCTIONS:
        function = names.function_name(trial.stack.name, verb)
        found = ask(trial.clients.lambda_.get_function_configuration, FunctionName=function)
        if found.problem:
            unread.append(verb)
            continue
        arn = str(found.data["Role"])
        try:
            for action, resource, context in [*_granted(trial, arn), (_FORBIDDEN, "*", [])]:
                decision = _simulated(trial, arn, action, resource, context)
                asked += 1
                if (decision == "allowed") != (action != _FORBIDDEN):
                    wrong.append(f"{verb}: {action} on {resource} is {decision}")
        except ClientError as fault:
            return not_tried(f"you may not simulate policies ({error_code(fault)})")
    if unread:
        return refuted(f"{len(unread)} functions are not there: {', '.join(unread[:3])}")
    if wrong:
        return refuted(f"{len(wrong)} of {asked} decisions differ: {'; '.join(wrong[:3])}")
    return confirmed(f"{asked} decisions for {len(names.FUNCTIONS)} roles are as the policies say")


def _granted(trial: Trial, role_arn: str) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """One action, resource and context of every statement that can be asked about."""
    iam, role = trial.clients.iam, role_arn.rpartition("/")[2]
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for statement in document["Statement"]:
            conditions = statement.get("Condition", {})
            if statement["Effect"] != "Allow" or any(
                word in name for name in conditions for word in _NEGATED
            ):
                continue
            action, resource = _first(statement["Action"]), _first(statement["Resource"])
            if "*" not in action:
                yield (
                    action,
                    resource if resource == "*" else resource.replace("*", "x"),
                    _context(conditions),
                )


def _context(conditions: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "ContextKeyName": key,
            "ContextKeyValues": [str(_first(values)).replace("*", "x")],
            "ContextKeyType": "boolean" if operator.startswith("Bool") else "string",
        }
        for operator, keys in conditions.items()
        for key, values in keys.items()
    ]


def _first(value: Any) -> str:
    return str(value if isinstance(value, str | bool) else value[0])


def _simulated(trial: Trial, arn: str, action: str, resource: str, context: list[dict[str, Any]]) -> str:
    answer = trial.clients.iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=[action], ResourceArns=[resource], ContextEntries=context
    )
    return str(answer["EvaluationResults"][0]["EvalDecision"])


def mlflow_signed(trial: Trial) -> Outcome:
    """A signed GET for a run that is not there reaches MLflow, which says so."""
    app = _app(trial)
    if not app:
        return not_tried("the settings name no MLflow app")
    try:
        mlflow_reader(trial, app).run("0" * 32)
    except MetricsUnavailable as fault:
        if "RESOURCE_DOES_NOT_EXIST" in str(fault):
            return confirmed("it answers RESOURCE_DOES_NOT_EXIST for a run that is not there")
        return refuted(str(fault))
    return refuted("it answers a run that is not there")


def _app(trial: Trial) -> str:
    if trial.stack.rules.mlflow_app or not trial.stack.laptop:
        return trial.stack.rules.mlflow_app or ""
    apps = trial.clients.sagemaker.list_mlflow_apps()["Summaries"]
    return str(apps[0]["Arn"]) if apps else ""


def mlflow_reader(trial: Trial, app: str) -> MlflowReader:
    stack = trial.stack
    endpoint = stack.clients.sagemaker.meta.endpoint_url if stack.laptop else ""
    return MlflowReader(
        app,
        region=stack.region,
        account=stack.account,
        partition=stack.partition,
        credentials=stack.clients.session.get_credentials().get_frozen_credentials(),
        endpoint=endpoint,
        budget_seconds=60,
    )
