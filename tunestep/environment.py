"""The environment of the deployed functions, typed once; infra writes exactly these variables."""

import os
from collections.abc import Mapping

import msgspec

from tunestep.names import evidence_table_name
from tunestep.settings import Settings, from_json

_PREFIX = "TUNESTEP_"


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What a function knows about the stack it belongs to.

    ``laptop`` is set by the laptop cloud alone: ``open`` when the user gave no settings file, so that
    nothing has to be listed before it may be used; ``settings`` when a file sets the ceiling.
    ``rewards`` are the names of the reward functions that the stack deploys. ``api_url`` is the base of
    the links to the approval page; only functions that send such links have it.
    """

    stack: str
    table: str
    bucket: str
    machine_arn: str
    execution_role_arn: str
    topic_arn: str
    region: str
    account: str
    settings: Settings
    laptop: str = ""
    rewards: tuple[str, ...] = ()
    api_url: str = ""

    @property
    def evidence_table(self) -> str:
        return evidence_table_name(self.stack)

    @property
    def open(self) -> bool:
        """Whether requests may name anything (a laptop without a settings file)."""
        return self.laptop == "open"


def load(source: Mapping[str, str] | None = None) -> Environment:
    """Read the environment; raises KeyError naming the first variable that is missing."""
    env = os.environ if source is None else source
    machine_arn = env[f"{_PREFIX}MACHINE_ARN"]
    region, account = machine_arn.split(":")[3:5]
    return Environment(
        stack=env[f"{_PREFIX}STACK"],
        table=env[f"{_PREFIX}TABLE"],
        bucket=env[f"{_PREFIX}BUCKET"],
        machine_arn=machine_arn,
        execution_role_arn=env[f"{_PREFIX}EXECUTION_ROLE_ARN"],
        topic_arn=env[f"{_PREFIX}TOPIC_ARN"],
        region=region,
        account=account,
        settings=from_json(env.get(f"{_PREFIX}SETTINGS", "{}")),
        laptop=env.get(f"{_PREFIX}LAPTOP", ""),
        rewards=tuple(filter(None, env.get(f"{_PREFIX}REWARDS", "").split(","))),
        api_url=env.get(f"{_PREFIX}API_URL", ""),
    )
