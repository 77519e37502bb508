"""The functions: one per verb, each with its own role, log and size."""

import sys
from typing import NamedTuple

import aws_cdk as cdk
import msgspec
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.acknowledged import RUNTIME, acknowledge
from infra.arns import Arns
from infra.log_groups import log_group
from infra.permissions import function_role
from tunestep import names
from tunestep.settings import Architecture, Rewards, Settings, SettingsInvalid, to_json

SUPPORTED = ((3, 11), (3, 12), (3, 13), (3, 14))
"""Python versions that Lambda runs; bytecode belongs to one of them."""

EVENT_DRIVEN = ("training_event", "clean_up", "reconcile")
"""Functions that events start; what fails there three times goes to the queue of undelivered events."""

# Lambda allows 4,096 bytes for all variables together; the others take less than 900.
_SETTINGS_LIMIT = 3000


class Size(NamedTuple):
    """Memory and temporary disk in MiB (memory buys CPU in proportion), and the time limit in seconds."""

    memory: int = 512
    timeout: int = 60
    disk: int = 512


LINKING = ("request_approval", "reconcile")
"""Functions that send links, and so have to know the API's address."""

SIZES: dict[str, Size] = {
    "validate": Size(memory=1024, timeout=180),
    "check_dataset": Size(memory=1769, timeout=900, disk=4096),
    "certify_reward": Size(memory=1024, timeout=900),
    "register_evaluator": Size(timeout=300),
    "start_training": Size(timeout=180),
    "collect_results": Size(memory=1024, timeout=300),
    "clean_up": Size(timeout=180),
    "stop": Size(timeout=240),
    "trigger": Size(timeout=120),
    "approvals_api": Size(memory=1769, timeout=20),
    "reconcile": Size(timeout=240),
}
"""Where a verb needs other than the default. The API answers Slack within three seconds, even when cold.
Reconcile ends before it is started again; CheckDataset has one whole processor, and room for a copy of a
Parquet file, which cannot be read as a stream."""

HEAVY = ("check_dataset",)
"""Functions with an asset of their own: its wheels would weigh on the cold start of the others."""


ARCHITECTURES: dict[Architecture, lambda_.Architecture] = {
    "arm64": lambda_.Architecture.ARM_64,
    "x86_64": lambda_.Architecture.X86_64,
}


def runtime() -> lambda_.Runtime:
    """The Lambda runtime of the Python that synthesizes. Raises SettingsInvalid when there is none."""
    here = sys.version_info[:2]
    if here not in SUPPORTED:
        raise SettingsInvalid(
            f"Lambda has no runtime for Python {here[0]}.{here[1]}, which is running this. "
            "Synthesize with Python 3.11, 3.12, 3.13 or 3.14."
        )
    return lambda_.Runtime(f"python{here[0]}.{here[1]}", lambda_.RuntimeFamily.PYTHON)


def acknowledge_runtime(function: lambda_.Function) -> None:
    """Say why a function's runtime need not be the newest."""
    acknowledge(
        function,
        (RUNTIME, "the runtime is the Python that synthesizes, to which the bytecode of the asset belongs"),
    )


def environment(arns: Arns) -> dict[str, str]:
    """The variables that tunestep.environment reads, and those of the logging library.

    Raises SettingsInvalid when the settings are too long for a function's environment.
    """
    settings: Settings = msgspec.structs.replace(
        arns.settings,
        notice_emails=(),
        log_retention_days=90,
        rewards=Rewards(),
        schedules=(),
        event_principals=(),
        permissions_boundary=None,
        functions_vpc=None,
        architecture="arm64",
    )
    text = to_json(settings)
    if len(text.encode()) > _SETTINGS_LIMIT:
        raise SettingsInvalid(
            f"settings: {len(text.encode())} bytes as JSON are more than the {_SETTINGS_LIMIT} that fit "
            "into a function's environment. Shorten the lists under `$.allowed`, for example by "
            "one bucket prefix in place of many."
        )
    return {
        "TUNESTEP_STACK": arns.stack,
        "TUNESTEP_TABLE": names.table_name(arns.stack),
        "TUNESTEP_BUCKET": arns.bucket_name,
        "TUNESTEP_MACHINE_ARN": arns.machine,
        "TUNESTEP_EXECUTION_ROLE_ARN": arns.execution_role,
        "TUNESTEP_TOPIC_ARN": arns.topic,
        "TUNESTEP_SETTINGS": text,
        "TUNESTEP_REWARDS": ",".join(arns.rewards),
        "POWERTOOLS_SERVICE_NAME": arns.stack,
        "POWERTOOLS_METRICS_NAMESPACE": "Tunestep",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


class Functions(Construct):
    """Every function of the stack, by verb in ``by_verb``."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        arns: Arns,
        code: lambda_.Code,
        heavy: lambda_.Code,
        undelivered: sqs.IQueue,
        api_url: str,
    ) -> None:
        super().__init__(scope, id_)
        self._api_url = api_url
        variables = environment(arns)
        self.by_verb = {
            verb: self._function(verb, arns, heavy if verb in HEAVY else code, variables, undelivered)
            for verb in names.FUNCTIONS
        }

    def _function(
        self, verb: str, arns: Arns, code: lambda_.Code, variables: dict[str, str], undelivered: sqs.IQueue
    ) -> lambda_.Function:
        scope = Construct(self, "".join(word.capitalize() for word in verb.split("_")))
        name = names.function_name(arns.stack, verb)
        size = SIZES.get(verb, Size())
        queue = undelivered if verb in EVENT_DRIVEN else None
        log_name = f"/aws/lambda/{name}"
        function = lambda_.Function(
            scope,
            "Function",
            function_name=name,
            description=f"Tunestep: {verb.replace('_', ' ')}",
            runtime=runtime(),
            architecture=ARCHITECTURES[arns.settings.architecture],
            handler=f"lambdas.{verb}.handler",
            code=code,
            role=function_role(scope, verb, arns, log_name, queue.queue_arn if queue else ""),
            memory_size=size.memory,
            ephemeral_storage_size=cdk.Size.mebibytes(size.disk) if size.disk != Size().disk else None,
            timeout=cdk.Duration.seconds(size.timeout),
            environment={**variables, **({"TUNESTEP_API_URL": self._api_url} if verb in LINKING else {})},
            tracing=lambda_.Tracing.ACTIVE,
            dead_letter_queue=queue,
            log_group=log_group(scope, log_name, arns.settings),
        )
        acknowledge_runtime(function)
        if network := arns.settings.functions_vpc:
            resource = function.node.default_child
            assert isinstance(resource, lambda_.CfnFunction)  # noqa: S101 - for the type checker
            resource.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
                subnet_ids=list(network.subnets), security_group_ids=list(network.security_groups)
            )
        return function
