"""Reading the state machine's definition out of a synthesized template, without CDK."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MACHINE_TYPE = "AWS::StepFunctions::StateMachine"


@dataclass(frozen=True)
class Place:
    """What the pseudo parameters of a template stand for."""

    account: str = "123456789012"
    region: str = "us-west-2"
    partition: str = "aws"

    def pseudo(self, name: str) -> str | None:
        """The value of ``AWS::...``; None for any other name."""
        values = {
            "AWS::AccountId": self.account,
            "AWS::Region": self.region,
            "AWS::Partition": self.partition,
            "AWS::URLSuffix": "amazonaws.com",
        }
        return values.get(name)


def resolve(value: Any, resources: Mapping[str, Any], place: Place | None = None) -> Any:
    """A template value with its references replaced by names and ARNs.

    Knows Ref, Fn::Join and the Arn of Fn::GetAtt for resources that have a fixed name.
    Raises ValueError for any other function or reference.
    """
    place = place or Place()
    if isinstance(value, list):
        return [resolve(item, resources, place) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, argument),) = value.items()
        if key == "Ref":
            return place.pseudo(argument) or _name(argument, resources, place)
        if key == "Fn::Join":
            return argument[0].join(map(str, resolve(argument[1], resources, place)))
        if key == "Fn::GetAtt":
            return _arn(argument, resources, place)
        if key.startswith("Fn::"):
            raise ValueError(f"{key} is not supported here: {argument!r}")
    return {key: resolve(item, resources, place) for key, item in value.items()}


_NAMED = {
    "AWS::Lambda::Function": ("FunctionName", "lambda", "function:"),
    "AWS::DynamoDB::Table": ("TableName", "dynamodb", "table/"),
    "AWS::SNS::Topic": ("TopicName", "sns", ""),
    "AWS::SQS::Queue": ("QueueName", "sqs", ""),
    "AWS::Events::EventBus": ("Name", "events", "event-bus/"),
    MACHINE_TYPE: ("StateMachineName", "states", "stateMachine:"),
}


def _name(logical_id: str, resources: Mapping[str, Any], place: Place) -> str:
    resource = resources.get(logical_id, {})
    property_ = _NAMED.get(resource.get("Type", ""), ("", "", ""))[0]
    if not property_ or property_ not in resource.get("Properties", {}):
        raise ValueError(f"{logical_id} has no fixed name to stand for a reference to it")
    return str(resolve(resource["Properties"][property_], resources, place))


def _arn(argument: Any, resources: Mapping[str, Any], place: Place) -> str:
    logical_id, attribute = argument
    if attribute == "ApiEndpoint":
        return f"https://{logical_id.lower()}.execute-api.{place.region}.amazonaws.com"
    if attribute != "Arn":
        raise ValueError(f"{logical_id}.{attribute} is not known before it is deployed")
    name = _name(logical_id, resources, place)
    _, service, prefix = _NAMED[resources[logical_id]["Type"]]
    return f"arn:{place.partition}:{service}:{place.region}:{place.account}:{prefix}{name}"


def state_machine_definition(template: Mapping[str, Any], place: Place | None = None) -> dict[str, Any]:
    """The Amazon States Language document of the template's one state machine, with readable ARNs."""
    resources = template["Resources"]
    machines = [resource for resource in resources.values() if resource["Type"] == MACHINE_TYPE]
    if len(machines) != 1:
        raise ValueError(f"the template has {len(machines)} state machines, not one")
    text = resolve(machines[0]["Properties"]["DefinitionString"], resources, place)
    definition: dict[str, Any] = json.loads(text)
    return definition
