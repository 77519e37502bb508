"""Deploys the synthesized CloudFormation template into the laptop cloud.

Exactly the resource types in resources.HANDLERS; another one fails naming itself. Deploying again over
what is there changes what differs and keeps the data. Properties without effect on a laptop (encryption,
tracing, retention, point-in-time recovery) are not looked at.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tunestep.local import resources
from tunestep.local.functions import FunctionPool
from tunestep.local.http_api import Route
from tunestep.local.intrinsics import NO_VALUE, Resolver, TemplateUnsupported
from tunestep.local.queues import QueueMapping
from tunestep.local.resources.context import Context, Deployed, ServiceClients
from tunestep.local.schedules import Scheduled


class Assembly(NamedTuple):
    """A cloud assembly: the template, and the asset folders by the S3 key that the template gives them."""

    stack: str
    template: dict[str, Any]
    assets: dict[str, Path]


class Deployment(NamedTuple):
    """What was deployed: outputs, queues that functions read, schedules, and routes of its HTTP API."""

    outputs: dict[str, Any]
    queues: tuple[QueueMapping, ...] = ()
    schedules: tuple[Scheduled, ...] = ()
    routes: tuple[Route, ...] = ()


def read_assembly(folder: Path) -> Assembly:
    """The one stack of an assembly. Raises TemplateUnsupported when there is not exactly one."""
    templates = sorted(folder.glob("*.template.json"))
    if len(templates) != 1:
        raise TemplateUnsupported(f"{folder} holds {len(templates)} templates; the laptop cloud deploys one")
    stack = templates[0].name.removesuffix(".template.json")
    files = json.loads((folder / f"{stack}.assets.json").read_text())["files"]
    assets = {
        destination["objectKey"]: (folder / file["source"]["path"]).resolve()
        for file in files.values()
        for destination in file["destinations"].values()
    }
    return Assembly(stack, json.loads(templates[0].read_text()), assets)


class Deployer:
    """One deployment of one assembly."""

    def __init__(
        self, assembly: Assembly, *, clients: ServiceClients, pool: FunctionPool, region: str, account: str
    ) -> None:
        self._assembly = assembly
        self._resources: Mapping[str, dict[str, Any]] = assembly.template.get("Resources", {})
        self._context = Context(
            stack=assembly.stack,
            region=region,
            account=account,
            clients=clients,
            pool=pool,
            assets=assembly.assets,
        )
        self._deployed: dict[str, Deployed] = {}
        self._under_way: list[str] = []
        parameters = assembly.template.get("Parameters", {})
        self._resolver = Resolver(
            pseudo={
                "AWS::AccountId": account,
                "AWS::Partition": "aws",
                "AWS::Region": region,
                "AWS::URLSuffix": "amazonaws.com",
                "AWS::StackName": assembly.stack,
                "AWS::StackId": f"arn:aws:cloudformation:{region}:{account}:stack/{assembly.stack}/laptop",
                "AWS::NotificationARNs": [],
            },
            parameters={name: parameter.get("Default", NO_VALUE) for name, parameter in parameters.items()},
            conditions=assembly.template.get("Conditions", {}),
            ref=lambda logical_id: self._deploy(logical_id).ref,
            attribute=self._attribute,
        )

    def deploy(self) -> Deployment:
        """Raises TemplateUnsupported, before anything is created where that can be seen beforehand."""
        self._check_types()
        for logical_id in self._resources:
            if self._wanted(logical_id):
                self._deploy(logical_id)
        resources.remove_leftovers(self._context)
        outputs = {
            name: self._resolver.value(output["Value"])
            for name, output in self._assembly.template.get("Outputs", {}).items()
            if "Condition" not in output or self._resolver.condition(output["Condition"])
        }
        made = self._context
        return Deployment(
            outputs,
            queues=tuple(made.queues),
            schedules=tuple(made.schedules),
            routes=tuple(made.routes),
        )

    def _check_types(self) -> None:
        unknown = [
            f"{resource['Type']} ({logical_id})"
            for logical_id, resource in self._resources.items()
            if resource["Type"] not in resources.HANDLERS and resource["Type"] not in resources.WITHOUT_EFFECT
        ]
        if unknown:
            raise TemplateUnsupported(
                f"not emulated on a laptop: {', '.join(unknown)}. Add a handler in tunestep/local/resources."
            )

    def _wanted(self, logical_id: str) -> bool:
        condition = self._resources[logical_id].get("Condition")
        return condition is None or self._resolver.condition(condition)

    def _attribute(self, logical_id: str, name: str) -> Any:
        deployed = self._deploy(logical_id)
        if name not in deployed.attributes:
            kind = self._resources[logical_id]["Type"]
            raise TemplateUnsupported(f"{kind} ({logical_id}) has no attribute {name} on a laptop")
        return deployed.attributes[name]

    def _deploy(self, logical_id: str) -> Deployed:
        if logical_id in self._deployed:
            return self._deployed[logical_id]
        if logical_id not in self._resources:
            raise TemplateUnsupported(f"the template refers to {logical_id}, which it does not define")
        if logical_id in self._under_way:
            circle = " -> ".join([*self._under_way[self._under_way.index(logical_id) :], logical_id])
            raise TemplateUnsupported(f"circular dependency: {circle}")
        self._under_way.append(logical_id)
        try:
            self._deployed[logical_id] = self._create(logical_id)
        finally:
            self._under_way.pop()
        return self._deployed[logical_id]

    def _create(self, logical_id: str) -> Deployed:
        resource = self._resources[logical_id]
        needed = resource.get("DependsOn", [])
        for other in [needed] if isinstance(needed, str) else needed:
            if self._wanted(other):
                self._deploy(other)
        if resource["Type"] in resources.WITHOUT_EFFECT:
            return Deployed(f"{self._assembly.stack}-{logical_id}", {})
        try:
            properties = self._resolver.value(resource.get("Properties", {}))
        except TemplateUnsupported as fault:
            if "circular" in str(fault):
                raise
            raise TemplateUnsupported(f"{resource['Type']} ({logical_id}): {fault}") from None
        return resources.HANDLERS[resource["Type"]](self._context, logical_id, properties)
