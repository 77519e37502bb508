"""What a command talks to: the laptop cloud or a deployed stack. Nothing but the endpoint differs."""

import getpass
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from botocore.exceptions import NoCredentialsError

from tunestep import names
from tunestep.aws import Clients
from tunestep.cli.failure import CliError, aws_errors
from tunestep.settings import Settings, SettingsInvalid
from tunestep.settings import load as load_settings

HOME_VARIABLE = "TUNESTEP_HOME"
_AWS_VARIABLES = ("AWS_", "BOTO_")
_PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Target:
    """One stack, reachable. ``home`` is the laptop cloud's folder, None for a stack on AWS.

    ``flag`` holds the options that lead back to this target, for the commands that a notice names.
    """

    stack: str
    region: str
    account: str
    clients: Clients
    flag: str
    home: Path | None = None

    @property
    def local(self) -> bool:
        return self.home is not None

    @property
    def bucket(self) -> str:
        return names.bucket_name(self.stack, self.account, self.region)

    @property
    def table(self) -> str:
        return names.table_name(self.stack)

    @property
    def machine_arn(self) -> str:
        return names.machine_arn(self.stack, self.account, self.region)

    def execution_arn(self, run_id: str) -> str:
        return names.execution_arn(self.stack, self.account, self.region, run_id)

    def call(self, verb: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Invoke one of the stack's functions and return its answer.

        Raises CliError with the function's own message when it answers with an error.
        """
        function = names.function_name(self.stack, verb)
        with aws_errors(f"invoke {function}"):
            response = self.clients.lambda_.invoke(
                FunctionName=function, Payload=json.dumps(payload).encode()
            )
            body = json.loads(response["Payload"].read() or b"null")
        if response.get("FunctionError"):
            message = body.get("errorMessage", "no message") if isinstance(body, dict) else body
            raise CliError(f"{function} failed: {message}", code=1)
        answer: dict[str, Any] = body
        return answer


def target_options(function: _Function) -> _Function:
    """--local, --stack, --profile, --region, --settings: the same on every command."""
    for option in reversed(
        (
            click.option("--local", "local", is_flag=True, help="Use the laptop cloud."),
            click.option("--stack", metavar="NAME", help="Use a deployed stack."),
            click.option("--profile", metavar="NAME", help="AWS profile for --stack."),
            click.option("--region", metavar="NAME", help="AWS region for --stack."),
            click.option(
                "--settings",
                "settings_file",
                type=click.Path(dir_okay=False),
                help="Settings file (default: ./tunestep.yaml).",
            ),
        )
    ):
        function = option(function)
    return function


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def home_folder() -> Path:
    """Where the laptop cloud keeps its state: TUNESTEP_HOME or ./.tunestep."""
    return Path(os.environ.get(HOME_VARIABLE) or ".tunestep").absolute()


def read_settings(path: str | None) -> Settings | None:
    try:
        return load_settings(path)
    except FileNotFoundError:
        raise CliError(f"there is no settings file {path}") from None
    except SettingsInvalid as fault:
        raise CliError(str(fault)) from None


def open_target(
    *,
    local: bool,
    stack: str | None,
    profile: str | None,
    region: str | None,
    settings_file: str | None,
    world: str | None = None,
    start: bool = True,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Target:
    """The target that the options name; starts the laptop cloud when it is wanted and not running."""
    check_options(
        local=local, stack=stack, profile=profile, region=region, settings_file=settings_file, world=world
    )
    settings = read_settings(settings_file)
    if local:
        return _laptop(settings_file, world, start, on_progress)
    name = stack or (settings.stack if settings else None)
    if not name:
        raise CliError(
            "say where: --local for this machine, or --stack NAME for a deployed stack "
            "(a tunestep.yaml in this folder names one too)"
        )
    return _deployed(name, profile, region or (settings.region if settings else None))


def check_options(
    *,
    local: bool,
    stack: str | None,
    profile: str | None,
    region: str | None,
    settings_file: str | None,
    world: str | None = None,
) -> None:
    """Refuse options that would be ignored; raises CliError."""
    if local and stack:
        raise CliError("--local and --stack exclude each other")
    if local and (profile or region):
        raise CliError("--profile and --region are for --stack; --local has a region of its own")
    if world and not local:
        raise CliError("--world goes with --local")
    if settings_file and not Path(settings_file).is_file():
        raise CliError(f"there is no settings file {settings_file}")


def user_name() -> str:
    """Who is at the keyboard, as this machine knows them; nobody checks it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _laptop(
    settings_file: str | None, world: str | None, start: bool, on_progress: Callable[[str], None]
) -> Target:
    from tunestep.local import control  # noqa: PLC0415 - the laptop cloud is not needed for a stack

    isolate_from_aws()
    home = home_folder()
    if start:
        try:
            endpoint = control.ensure(
                home,
                settings_file=Path(settings_file) if settings_file else None,
                world_file=Path(world) if world else None,
                on_progress=on_progress,
            )
        except control.ControlError as fault:
            raise CliError(str(fault), code=1) from None
    else:
        running = control.running(home)
        if running is None:
            raise CliError(f"no laptop cloud runs from {home}; start one: tunestep local start", code=1)
        endpoint = running
    return Target(
        stack=endpoint.stack,
        region=endpoint.region,
        account=endpoint.account,
        clients=Clients(region=endpoint.region, endpoint_url=endpoint.url),
        flag="--local",
        home=home,
    )


def _deployed(stack: str, profile: str | None, region: str | None) -> Target:
    clients = Clients(region=region, profile=profile)
    with aws_errors("find out which AWS account this is"):
        try:
            account = clients.sts.get_caller_identity()["Account"]
        except NoCredentialsError:
            raise CliError(
                f"no AWS credentials for stack {stack}: name a profile with --profile. Without an account "
                "everything but deploying works on this machine, with --local in place of --stack",
                code=1,
            ) from None
    flag = f"--stack {stack}"
    flag += f" --profile {profile}" if profile else ""
    flag += f" --region {region}" if region else ""
    return Target(stack=stack, region=clients.region, account=account, clients=clients, flag=flag)


def isolate_from_aws() -> None:
    """Forget this process's AWS configuration, so that nothing of it can reach or shape a local call."""
    for name in list(os.environ):
        if name.upper().startswith(_AWS_VARIABLES) or name.lower() in _PROXY_VARIABLES:
            del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID="laptop",
        AWS_SECRET_ACCESS_KEY="laptop",  # noqa: S106 - a placeholder that no service checks
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        NO_PROXY="*",
    )
