"""Planning against a world that describes only part of what a request names.

What the world is silent about is assumed to exist, made in the ephemeral cloud, and said aloud. What the
world lists as absent stays absent. The request may be wrong in any way: what does not read as a name is
left to the checks of the plan.
"""

import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tunestep import evaluators, lambda_functions, names, s3uri
from tunestep.findings import Finding, info
from tunestep.local.worlds import seeding
from tunestep.local.worlds.parts import role_arn
from tunestep.local.worlds.records import evaluator_document
from tunestep.local.worlds.samples import sample

if TYPE_CHECKING:
    from tunestep.local.world import World

_CONTENT = re.compile(
    r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):(\d{12}):hub-content/"
    r"([a-zA-Z0-9-]{1,63})/(JsonDoc|DataSet)/([a-zA-Z0-9-]{1,63})/(\d{1,4}\.\d{1,4}\.\d{1,4})"
)
_GROUP = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]+", re.ASCII)
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
_IMPORT_SECONDS = 10.0
_PROMPT = b"{{ prompt }}\n<response>\n{{ response }}\n</response>\n"


def assume(request: dict[str, Any], world: "World", clients: Any, *, stack: str) -> list[Finding]:
    """Create what the request names and the world does not describe; one ASSUMED finding for each."""
    assumer = _Assumer(world, clients)
    assumer.role(request.get("execution_role"), stack)
    if not request.get("output"):
        own = names.bucket_name(stack, world.account, world.region)
        assumer.bucket(own, "$.output")
    assumer.location(request.get("output"), "$.output", None)
    for field in ("training_data", "validation_data"):
        assumer.location(request.get(field), f"$.{field}", lambda: sample(request))
        assumer.content(request.get(field), f"$.{field}")
    assumer.location(request.get("use_case"), "$.use_case", lambda: b"# Assumed use case\n")
    assumer.group(request.get("model_package_group"))
    reward = request.get("reward")
    if isinstance(reward, dict):
        kind = evaluators.PROMPT if request.get("technique") == "RLAIF" else evaluators.FUNCTION
        assumer.content(reward.get("evaluator_arn"), "$.reward.evaluator_arn", kind)
        assumer.function(reward.get("lambda_arn"), "$.reward.lambda_arn")
        assumer.location(reward.get("prompt"), "$.reward.prompt", lambda: _PROMPT)
    return assumer.findings


class _Assumer:
    """Makes one thing at a time and notes it, unless the world knows about it."""

    def __init__(self, world: "World", clients: Any) -> None:
        self._world, self._clients = world, clients
        self._made: set[str] = set()
        self.findings: list[Finding] = []

    def role(self, written: object, stack: str) -> None:
        """The role of the request, or the stack's."""
        world = self._world
        name = written or names.execution_role_name(stack, world.region)
        if not isinstance(name, str):
            return
        arn = role_arn(name, world.account)
        match = _ROLE.fullmatch(arn)
        if match is None or match[1] != world.account or arn in world.roles:
            return
        made = self._make(lambda: seeding.create_role(self._clients, arn, _TRUST, None))
        self._note(made, "$.execution_role", f"The role {arn}")

    def bucket(self, name: str, where: str) -> None:
        if name in self._world.buckets or name in self._made:
            return
        self._made.add(name)
        made = self._make(lambda: seeding.create_bucket(self._clients, name, self._world.region))
        self._note(made, where, f"The bucket {name}")

    def location(self, written: object, where: str, body: Callable[[], bytes] | None) -> None:
        """An S3 location; with ``body``, an object there (under a prefix: one below it)."""
        uri = _s3(written)
        if uri is None:
            return
        self.bucket(uri.bucket, where)
        world = self._world
        described = world.buckets.get(uri.bucket, {})
        if body is None or described is None or described.get("forbidden") or self._describes(uri):
            return
        key = uri.key if not uri.is_folder else f"{uri.key}part-0000.jsonl"
        target = f"s3://{uri.bucket}/{key}"
        if target in self._made:
            return
        self._made.add(target)
        made = self._make(lambda: seeding.put_object(self._clients, target, body()))
        self._note(made, where, f"The object {target}")

    def function(self, written: object, where: str) -> None:
        """A Lambda function of this account and region; a plan looks at it and calls none."""
        function = lambda_functions.parse(written) if isinstance(written, str) else None
        world = self._world
        if function is None or (function.region, function.account) != (world.region, world.account):
            return
        if function.unqualified not in world.functions:
            self._note(True, where, f"The function {function.unqualified}")

    def content(self, written: object, where: str, kind: str = evaluators.FUNCTION) -> None:
        """An evaluator (of the kind) or a DataSet of this account."""
        match = _CONTENT.fullmatch(written) if isinstance(written, str) else None
        world = self._world
        if match is None or match.group(1, 2) != (world.region, world.account) or written in world.evaluators:
            return
        hub, type_, name, version = match.group(3, 4, 5, 6)
        if any(v["version"] == version for v in world.hub.get(f"{hub}/{type_}/{name}", [])):
            return
        if type_ == "JsonDoc":
            what, document = "evaluator", self._evaluator(kind)
        else:
            what, document = "DataSet", {"DatasetType": "CUSTOMER_PROVIDED"}
        made = self._make(lambda: self._import(hub, type_, name, version, document))
        self._note(made, where, f"The {what} {written}")

    def _evaluator(self, kind: str) -> dict[str, Any]:
        """An evaluator's document; that of a prompt needs the prompt as well."""
        world = self._world
        if kind == evaluators.FUNCTION:
            return evaluator_document({}, world.region, world.account)
        uri = f"s3://sagemaker-{world.region}-{world.account}/evaluators/assumed-prompt"
        self.location(uri, "$.reward.evaluator_arn", lambda: _PROMPT)
        return evaluator_document({"Reference": uri, "EvaluatorType": kind}, world.region, world.account)

    def group(self, written: object) -> None:
        """A model package group given by name or ARN; without one the plan makes its own."""
        if not isinstance(written, str):
            return
        name = written.rpartition("/")[2]
        arn = f"arn:aws:sagemaker:{self._world.region}:{self._world.account}:model-package-group/{name}"
        if not _GROUP.fullmatch(name) or written not in (name, arn) or self._knows_group(name):
            return
        sagemaker = self._clients.sagemaker
        made = self._make(lambda: sagemaker.create_model_package_group(ModelPackageGroupName=name))
        self._note(made, "$.model_package_group", f"The model package group {name}")

    def _knows_group(self, name: str) -> bool:
        packages = self._world.model_packages.values()
        return name in self._world.groups or any(p["ModelPackageGroupName"] == name for p in packages)

    def _describes(self, uri: s3uri.S3Uri) -> bool:
        """Whether the world lists the object, or says anything about what lies below the prefix."""
        listed = {*self._world.objects, *self._world.override_specs}
        return any(other == str(uri) or (uri.is_folder and other.startswith(str(uri))) for other in listed)

    def _import(self, hub: str, kind: str, name: str, version: str, document: dict[str, Any]) -> None:
        sagemaker = self._clients.sagemaker
        try:
            sagemaker.describe_hub(HubName=hub)
        except sagemaker.exceptions.ResourceNotFound:
            sagemaker.create_hub(HubName=hub, HubDescription="Assumed")
        which = {"HubName": hub, "HubContentType": kind, "HubContentName": name, "HubContentVersion": version}
        sagemaker.import_hub_content(
            **which, DocumentSchemaVersion="2.0.0", HubContentDocument=json.dumps(document)
        )
        deadline = time.monotonic() + _IMPORT_SECONDS
        while sagemaker.describe_hub_content(**which)["HubContentStatus"] != "Available":
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} was still being imported after {_IMPORT_SECONDS:.0f} s")
            time.sleep(0.02)

    @staticmethod
    def _make(step: Callable[[], object]) -> bool:
        """Whether the cloud took it; a name that it refuses is the plan's to report."""
        try:
            step()
        except (ClientError, BotoCoreError):
            return False
        return True

    def _note(self, made: bool, where: str, what: str) -> None:
        if made:
            self.findings.append(
                info(
                    "ASSUMED",
                    where,
                    f"{what} is not described by the world and was assumed to exist.",
                    "List it in the world file, as present or as absent, to settle it.",
                )
            )


def _s3(written: object) -> s3uri.S3Uri | None:
    if not isinstance(written, str) or not written.startswith("s3://"):
        return None
    try:
        return s3uri.parse(written)
    except s3uri.S3UriInvalid:
        return None
