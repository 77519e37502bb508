"""The stack that is looked at, as one of its own functions knows it."""

from dataclasses import dataclass, replace
from typing import Any

from tunestep import names
from tunestep.aws import Clients
from tunestep.checks.calls import Problem, ask
from tunestep.settings import Settings, from_json

KNOWN_BY = "validate"
"""The function whose variables are read: every function has the settings, and this one is in every stack."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One stack, deployed or not.

    ``settings`` are those that it runs with, None while no function can be read; ``problem`` says why.
    ``laptop`` is whether it is one of a laptop cloud, where some of AWS does not exist.
    """

    name: str
    region: str
    account: str
    clients: Clients
    partition: str = "aws"
    laptop: bool = False
    settings: Settings | None = None
    rewards: tuple[str, ...] = ()
    problem: Problem = ""

    @property
    def rules(self) -> Settings:
        """The settings, or the defaults while they are not known."""
        return self.settings or Settings(stack=self.name)

    @property
    def bucket(self) -> str:
        return names.bucket_name(self.name, self.account, self.region)

    @property
    def machine(self) -> str:
        return names.machine_arn(self.name, self.account, self.region, self.partition)

    @property
    def execution_role(self) -> str:
        role = names.execution_role_name(self.name, self.region)
        return f"arn:{self.partition}:iam::{self.account}:role/{role}"

    def topic(self, name: str) -> str:
        return f"arn:{self.partition}:sns:{self.region}:{self.account}:{name}"

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of all functions of the stack, those of its rewards included."""
        return (
            *(names.function_name(self.name, verb) for verb in names.FUNCTIONS),
            *(
                names.reward_function_name(self.name, reward, contract)
                for reward in self.rewards
                for contract in names.REWARD_CONTRACTS
            ),
        )


def look(*, name: str, region: str, account: str, clients: Clients, laptop: bool) -> Stack:
    """Find out what the stack runs with. Raises TransientFault and ServiceFault as checks.calls does."""
    partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if "-gov-" in region else "aws"
    stack = Stack(
        name=name, region=region, account=account, clients=clients, partition=partition, laptop=laptop
    )
    function = names.function_name(name, KNOWN_BY)
    answer = ask(clients.lambda_.get_function_configuration, FunctionName=function)
    if answer.problem:
        return replace(stack, problem=answer.problem)
    variables: dict[str, Any] = answer.data.get("Environment", {}).get("Variables", {})
    return replace(
        stack,
        settings=from_json(variables.get("TUNESTEP_SETTINGS", "{}")),
        rewards=tuple(filter(None, variables.get("TUNESTEP_REWARDS", "").split(","))),
    )
