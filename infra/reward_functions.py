"""Every reward of the catalogue as a function that may do nothing but answer and write its log."""

import json
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import statements as may
from infra.arns import Arns
from infra.functions import ARCHITECTURES, acknowledge_runtime, runtime
from infra.log_groups import log_group
from infra.rewards import Reward, architecture
from infra.roles import role
from tunestep import names
from tunestep.settings import SettingsInvalid

_NAME_LIMIT = 64
_DESCRIPTION_LIMIT = 256
# Lambda allows 4,096 bytes for all variables together.
_CONFIG_LIMIT = 3000


def check(arns: Arns) -> None:
    """Refuse configuration for a reward that is not there, or too long, and names that are too long.

    Raises SettingsInvalid.
    """
    for name, config in arns.settings.rewards.config.items():
        if name not in arns.rewards:
            known = ", ".join(sorted(arns.rewards))
            raise SettingsInvalid(
                f"settings: there is no reward {name!r} for `$.rewards.config`; the stack deploys {known}"
            )
        size = len(_config(config).encode())
        if size > _CONFIG_LIMIT:
            raise SettingsInvalid(
                f"settings: {size} bytes as JSON at `$.rewards.config.{name}` are more than the "
                f"{_CONFIG_LIMIT} that fit into a function's environment"
            )
    for name in arns.rewards:
        function = max(
            (names.reward_function_name(arns.stack, name, c) for c in names.REWARD_CONTRACTS), key=len
        )
        if len(function) > _NAME_LIMIT:
            raise SettingsInvalid(
                f"settings: with the stack name {arns.stack!r} at `$.stack` the reward {name!r} would become "
                f"the function {function}, which has more than {_NAME_LIMIT} characters"
            )


def _config(config: Mapping[str, object]) -> str:
    return json.dumps(config, separators=(",", ":"), sort_keys=True)


class RewardFunctions(Construct):
    """One function per reward and wire contract, of the same code.

    The tag is what makes it a reward: a request may name no other function of the stack.
    """

    def __init__(
        self, scope: Construct, id_: str, *, arns: Arns, rewards: Mapping[Reward, lambda_.Code]
    ) -> None:
        """Raises SettingsInvalid."""
        super().__init__(scope, id_)
        check(arns)
        for reward, code in rewards.items():
            for contract in names.REWARD_CONTRACTS:
                self._function(reward, contract, arns, code)

    def _function(self, reward: Reward, contract: str, arns: Arns, code: lambda_.Code) -> None:
        words = [*reward.name.split("_"), *(["nova"] if contract == "nova" else [])]
        scope = Construct(self, "".join(word.capitalize() for word in words))
        name = names.reward_function_name(arns.stack, reward.name, contract)
        log_name = f"/aws/lambda/{name}"
        config = arns.settings.rewards.config.get(reward.name)
        variables = {"REWARD_CONTRACT": contract}
        if config is not None:
            variables["REWARD_CONFIG"] = _config(config)
        function = lambda_.Function(
            scope,
            "Function",
            function_name=name,
            description=f"Tunestep reward: {reward.title}"[:_DESCRIPTION_LIMIT],
            runtime=runtime(),
            architecture=ARCHITECTURES[architecture(reward.lock, arns.settings.architecture)],
            handler=reward.handler,
            code=code,
            role=role(scope, "Role", "lambda.amazonaws.com", {"Function": may.writes_logs(log_name, arns)}),
            memory_size=reward.memory,
            timeout=cdk.Duration.seconds(reward.timeout),
            environment=variables,
            reserved_concurrent_executions=arns.settings.rewards.concurrency,
            log_group=log_group(scope, log_name, arns.settings),
        )
        acknowledge_runtime(function)
        cdk.Tags.of(function).add(names.TAG_REWARD, reward.name)
