"""The MLflow app that receives the metrics: named, set, or the account's default; never guessed."""

from tunestep import allowed, arns
from tunestep.checks.calls import ask
from tunestep.checks.context import Inquiry
from tunestep.plan_model import MlflowPlan
from tunestep.request import Mlflow

_WHERE = "$.mlflow"
_READY = ("Created", "Updated")
_SHOWN = "The job runs without MLflow; its metrics stay in CloudWatch."


def check(inquiry: Inquiry) -> MlflowPlan | None:
    """The app of the plan, or None; every absence has a finding that says why."""
    if inquiry.request.mlflow is False:
        inquiry.info("MLFLOW_OFF", _WHERE, "The request turns MLflow off.")
        return None
    asked = inquiry.request.mlflow if isinstance(inquiry.request.mlflow, Mlflow) else Mlflow()
    if asked.app_arn:
        arn = _named(inquiry, asked.app_arn)
    elif inquiry.ctx.settings.mlflow_app:
        arn = _ready(inquiry, inquiry.ctx.settings.mlflow_app, "settings.mlflow_app")
    else:
        arn = _account_default(inquiry)
    if not arn:
        return None
    return MlflowPlan(
        app_arn=arn,
        experiment=asked.experiment or "",
        run=asked.run or "",
    )


def _named(inquiry: Inquiry, wanted: str) -> str | None:
    where = f"{_WHERE}.app_arn"
    if not wanted.startswith("arn:"):
        return _by_name(inquiry, wanted, where)
    if not inquiry.allows(allowed.mlflow_app(inquiry.ctx, wanted, where)):
        return None
    arn, ctx = arns.parse(wanted), inquiry.ctx
    if arn is None or arn.service != "sagemaker" or not arn.kind.startswith("mlflow-"):
        inquiry.error(
            "MLFLOW_APP_INVALID",
            where,
            f"{wanted} is not the ARN of an MLflow app.",
            "Take it from SageMaker Studio.",
        )
        return None
    if (arn.region, arn.account) != (ctx.region, ctx.account):
        inquiry.error(
            "MLFLOW_APP_ELSEWHERE",
            where,
            f"{wanted} is not in account {ctx.account} and region {ctx.region}.",
            "Name an app of this account and region.",
        )
        return None
    if arn.kind != "mlflow-app":
        inquiry.warning(
            "MLFLOW_APP_NOT_CHECKED",
            where,
            f"{wanted} is a tracking server, whose state this version does not look up.",
        )
        return wanted
    return _ready(inquiry, wanted, where)


def _by_name(inquiry: Inquiry, name: str, where: str) -> str | None:
    """Find an app by its name: among all where all are allowed, else among the listed ones only."""
    for arn in _all_apps(inquiry) if inquiry.ctx.open else allowed.mlflow_apps(inquiry.ctx):
        if ask(inquiry.clients.sagemaker.describe_mlflow_app, Arn=arn).data.get("Name") == name:
            return _ready(inquiry, arn, where)
    if inquiry.ctx.open:
        inquiry.error(
            "MLFLOW_APP_NOT_FOUND",
            where,
            f"There is no MLflow app named {name!r}.",
            "Correct the name or create the app.",
        )
    else:
        inquiry.allows(allowed.refusal(where, name, "mlflow_apps"))
    return None


def _all_apps(inquiry: Inquiry) -> list[str]:
    listed: list[str] = []
    token: dict[str, str] = {}
    while True:
        answer = ask(inquiry.clients.sagemaker.list_mlflow_apps, **token)
        listed += [str(app["Arn"]) for app in answer.data.get("Summaries", [])]
        if not answer.data.get("NextToken"):
            return listed
        token = {"NextToken": answer.data["NextToken"]}


def _ready(inquiry: Inquiry, arn: str, where: str) -> str | None:
    answer = ask(inquiry.clients.sagemaker.describe_mlflow_app, Arn=arn)
    if answer.problem == "denied":
        inquiry.warning(
            "MLFLOW_APP_NOT_CHECKED",
            where,
            f"The state of {arn} was not checked: it may not be read.",
            "Allow sagemaker:DescribeMlflowApp on it to whoever makes the plan.",
        )
        return arn
    if answer.problem:
        inquiry.error(
            "MLFLOW_APP_NOT_FOUND",
            where,
            f"There is no MLflow app {arn}.",
            "Correct the ARN or create the app.",
        )
        return None
    status = answer.data.get("Status")
    if status not in _READY:
        inquiry.error(
            "MLFLOW_APP_NOT_READY",
            where,
            f"The MLflow app {arn} is {status}.",
            "Wait until it is Created or Updated.",
        )
        return None
    return arn


def _account_default(inquiry: Inquiry) -> str | None:
    answer = ask(inquiry.clients.sagemaker.list_mlflow_apps, AccountDefaultStatus="ENABLED")
    if answer.problem:
        inquiry.warning(
            "MLFLOW_NOT_RESOLVED",
            _WHERE,
            f"The account's default MLflow app cannot be looked up. {answer.message}".strip() + f" {_SHOWN}",
            "Allow sagemaker:ListMlflowApps to whoever makes the plan, or name an app in mlflow.app_arn.",
        )
        return None
    apps = answer.data.get("Summaries", [])
    ready = [str(app["Arn"]) for app in apps if app.get("Status") in _READY]
    if not ready:
        inquiry.warning(
            "MLFLOW_ABSENT",
            _WHERE,
            f"The account has no default MLflow app that is ready. {_SHOWN}",
            "Name an app in mlflow.app_arn or in the settings, or write `mlflow: false` for none.",
        )
        return None
    if allowed.mlflow_app(inquiry.ctx, ready[0], _WHERE):
        inquiry.warning(
            "MLFLOW_DEFAULT_NOT_LISTED",
            _WHERE,
            f"The account's default MLflow app is not listed in the settings. {_SHOWN}",
            "Set `mlflow_app` in tunestep.yaml to use it.",
        )
        return None
    return ready[0]
