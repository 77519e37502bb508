"""Planning against a world file: the laptop's services in this process, and nothing on disk."""

from pathlib import Path
from typing import Any

import msgspec

from reward_functions import catalog
from tunestep import names
from tunestep.aws import Clients
from tunestep.cli import uploads
from tunestep.cli.failure import CliError
from tunestep.cli.target import read_settings
from tunestep.context import Context
from tunestep.environment import Environment
from tunestep.errors import TunestepError
from tunestep.local import control
from tunestep.local.world import World, WorldInvalid
from tunestep.settings import Settings
from tunestep.validation import DryRun, dry_run


def plan_against(
    world_file: Path, document: dict[str, Any], base: Path, assume_approved: bool, settings_file: str | None
) -> dict[str, Any]:
    """The dry run's answer, with what had to be assumed listed first as ASSUMED.

    Raises CliError when the world file is absent or wrong, or a look-up fails for no fault of the request.
    """
    try:
        world = World.load(world_file)
    except FileNotFoundError:
        raise CliError(f"there is no world file {world_file}") from None
    except WorldInvalid as fault:
        raise CliError(str(fault)) from None
    settings = read_settings(settings_file)
    environment = _environment(world, settings)
    document, _ = uploads.find(document, base, environment.bucket)
    with control.ephemeral(world) as endpoint:
        clients = Clients(region=world.region, endpoint_url=endpoint.url)
        assumed = world.assume(document, clients, stack=environment.stack)
        try:
            answer = dry_run(
                Context(env=environment, clients=clients),
                DryRun(document={"request": document}, assume_approved=assume_approved),
            )
        except TunestepError as fault:
            raise CliError(f"the plan could not be made: {type(fault).__name__}: {fault}", code=1) from None
    answer["findings"] = [msgspec.to_builtins(finding) for finding in assumed] + answer["findings"]
    return answer


def _environment(world: World, settings: Settings | None) -> Environment:
    """What a stack in this world would put into its functions."""
    rules = settings or Settings()
    role = names.execution_role_name(rules.stack, world.region)
    return Environment(
        stack=rules.stack,
        table=names.table_name(rules.stack),
        bucket=names.bucket_name(rules.stack, world.account, world.region),
        machine_arn=names.machine_arn(rules.stack, world.account, world.region),
        execution_role_arn=f"arn:aws:iam::{world.account}:role/{role}",
        topic_arn=f"arn:aws:sns:{world.region}:{world.account}:{names.topic_name(rules.stack)}",
        region=world.region,
        account=world.account,
        settings=rules,
        laptop="settings" if settings else "open",
        rewards=catalog.names(),
    )
