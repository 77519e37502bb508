"""Refuses what CloudFormation would deploy and what would then never arrive.

CloudWatch alarms and EventBridge rules publish as themselves, so the key of an encrypted topic has to let
them; SNS's own key, ``alias/aws/sns``, never does (SNS developer guide, "Key management").
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tunestep.settings import SettingsInvalid

_OWN_KEY = "alias/aws/sns"


def refuse_silent_topics(template: Mapping[str, Any]) -> None:
    """Raises SettingsInvalid naming the alarm or rule, its topic and the way out."""
    resources: Mapping[str, Mapping[str, Any]] = template["Resources"]
    closed = {
        logical_id
        for logical_id, resource in resources.items()
        if resource["Type"] == "AWS::SNS::Topic"
        and _OWN_KEY in json.dumps(resource.get("Properties", {}).get("KmsMasterKeyId"))
    }
    for logical_id, resource in resources.items():
        for target in _targets(resource):
            if isinstance(target, dict) and (topic := target.get("Ref")) in closed:
                raise SettingsInvalid(
                    f"settings: {logical_id} would publish to {topic}, which is encrypted with {_OWN_KEY}: "
                    "CloudWatch and EventBridge may not use that key, and what they send would be lost. "
                    "Give the stack a customer-managed key at `$.kms_key`."
                )


def _targets(resource: Mapping[str, Any]) -> Iterator[Any]:
    properties = resource.get("Properties", {})
    if resource["Type"] in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
        for state in ("AlarmActions", "OKActions", "InsufficientDataActions"):
            yield from properties.get(state, [])
    elif resource["Type"] == "AWS::Events::Rule":
        yield from (target["Arn"] for target in properties.get("Targets", []))
