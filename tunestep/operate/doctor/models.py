"""What SageMaker has to offer here: the hub of base models, the registry of rewards, the app for metrics."""

from collections.abc import Iterator

from tunestep import hub, names
from tunestep.checks.calls import ask
from tunestep.operate.doctor.diagnosis import Diagnosis, broken, ok, skipped, unreadable, unseen, warning
from tunestep.operate.stack import Stack

_READY = ("Created", "Updated")


def hub_access(stack: Stack) -> Iterator[Diagnosis]:
    """The public hub answers, in a region where serverless customization is offered."""
    if stack.region not in hub.OPEN_WEIGHTS_REGIONS and not stack.laptop:
        yield broken(
            stack.region,
            "serverless customization is not known to be offered in this region.",
            f"Deploy in one of {', '.join(hub.OPEN_WEIGHTS_REGIONS)}.",
        )
    answer = ask(
        stack.clients.sagemaker.list_hub_contents, HubName=names.HUB, HubContentType="Model", MaxResults=1
    )
    elsewhere, action = "Deploy in another region.", "sagemaker:ListHubContents"
    if fault := unseen(names.HUB, answer, kind="hub in this region", fix=elsewhere, action=action):
        yield fault
    elif not answer.data.get("HubContentSummaries"):
        yield broken(names.HUB, "it lists no models.", elsewhere)
    else:
        yield ok(names.HUB, "lists models.")


def registry(stack: Stack) -> Iterator[Diagnosis]:
    """The account's registry hub, where rewards are registered; the first run with one makes it."""
    name = names.registry_hub_name(stack.region, stack.account)
    title = names.registry_hub_title(stack.region, stack.account)
    answer = ask(stack.clients.sagemaker.describe_hub, HubName=name)
    if answer.problem == "absent":
        yield ok(title, "not there yet; the first run with a reward makes it.")
    elif answer.problem:
        yield unreadable(title, answer, "sagemaker:DescribeHub")
    elif answer.data.get("HubStatus") != "InService":
        yield broken(
            title,
            f"it is {answer.data.get('HubStatus')}: {answer.data.get('FailureReason') or 'no reason given'}.",
            "Rewards cannot be registered: look at the hub in SageMaker Studio.",
        )
    else:
        yield ok(title, "in service.")


def mlflow(stack: Stack) -> Iterator[Diagnosis]:
    """The apps that the settings name."""
    rules = stack.rules
    apps = list(dict.fromkeys(filter(None, (rules.mlflow_app, *rules.allowed.mlflow_apps))))
    if not apps:
        if stack.laptop:
            yield skipped("MLflow", "the laptop's own store has the metrics.")
            return
        yield warning(
            "MLflow",
            "the settings name no app, so runs have no metrics.",
            "Create an app in SageMaker Studio and set mlflow_app.",
        )
    for arn in apps:
        yield _app(stack, arn)


def _app(stack: Stack, arn: str) -> Diagnosis:
    if ":mlflow-app/" not in arn:
        return skipped(arn, "a tracking server, whose state is not looked up.")
    answer = ask(stack.clients.sagemaker.describe_mlflow_app, Arn=arn)
    fix = "Correct the ARN in the settings, or create the app."
    if fault := unseen(arn, answer, kind="app", fix=fix, action="sagemaker:DescribeMlflowApp"):
        return fault
    status = answer.data.get("Status")
    if status not in _READY:
        return broken(arn, f"it is {status}.", "Wait until it is Created, or create another.")
    return ok(arn, f"{status}.")
