"""The target of a command as the stack that `tunestep.operate` looks at."""

from dataclasses import replace

from tunestep.cli.failure import CliError
from tunestep.cli.target import Target
from tunestep.errors import ServiceFault, TransientFault
from tunestep.operate.stack import Stack, look
from tunestep.settings import Settings


def looked_at(target: Target) -> Stack:
    """Raises CliError when AWS does not answer or refuses the credentials."""
    try:
        stack = look(
            name=target.stack,
            region=target.region,
            account=target.account,
            clients=target.clients,
            laptop=target.local,
        )
    except (TransientFault, ServiceFault) as fault:
        raise CliError(f"could not look at stack {target.stack}: {fault}", code=1) from None
    return _without_stand_ins(stack) if target.local else stack


def _without_stand_ins(stack: Stack) -> Stack:
    """A laptop without a settings file runs with stand-ins for "anything", which nobody could find."""
    from tunestep.local.access.unlisted import SETTINGS  # noqa: PLC0415 - the laptop cloud's own

    open_to_all = stack.settings and stack.settings.allowed == SETTINGS.allowed
    return replace(stack, settings=Settings(stack=stack.name)) if open_to_all else stack
