"""Every role of a template as one table: who may assume it, what it may do, on what. For docs/security.md."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.definition import Place, resolve

_PLACE = Place(account="ACCOUNT", region="REGION", partition="aws")
_ROLE = "AWS::IAM::Role"


def table(template: Mapping[str, Any]) -> str:
    """Markdown: one row per role and service, roles in alphabetical order of what has them."""
    rows = ["| role | service | may | on |", "|---|---|---|---|"]
    resources = template["Resources"]
    owners = _owners(resources)
    for logical_id, resource in sorted(resources.items(), key=lambda each: owners.get(each[0], each[0])):
        if resource["Type"] == _ROLE:
            name = owners.get(logical_id) or _title(logical_id, resource["Properties"])
            rows += [f"| {name} | {row}" for row in _rows(resource["Properties"], resources)]
    return "\n".join(rows) + "\n"


def _owners(resources: Mapping[str, Any]) -> dict[str, str]:
    """The function that has a role, by the role's logical id."""
    found = {}
    for resource in resources.values():
        if resource["Type"] == "AWS::Lambda::Function":
            role = resource["Properties"]["Role"]["Fn::GetAtt"][0]
            found[role] = f"function `{resource['Properties']['FunctionName']}`"
    return found


def _title(logical_id: str, role: Mapping[str, Any]) -> str:
    """What assumes a role that no function has."""
    service = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
    return f"{logical_id[:-8]}, for {service}"


def _rows(role: Mapping[str, Any], resources: Mapping[str, Any]) -> Iterator[str]:
    by_service: dict[str, dict[str, set[str]]] = {}
    for policy in role.get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            where = _places(statement, resources)
            for action in _list(statement["Action"]):
                service, _, verb = action.partition(":")
                by_service.setdefault(service, {}).setdefault(verb, set()).update(where)
    for service, verbs in sorted(by_service.items()):
        grouped: dict[tuple[str, ...], list[str]] = {}
        for verb, on in sorted(verbs.items()):
            grouped.setdefault(tuple(sorted(on)), []).append(verb)
        for places, names in sorted(grouped.items(), key=lambda each: each[1]):
            yield f"`{service}` | {', '.join(names)} | {', '.join(f'`{place}`' for place in places)} |"


def _places(statement: Mapping[str, Any], resources: Mapping[str, Any]) -> list[str]:
    conditions = statement.get("Condition")
    said = f" if {json.dumps(resolve(conditions, resources, _PLACE))}" if conditions else ""
    return [_short(each, resources) + said.replace("|", "\\|") for each in _list(statement["Resource"])]


def _short(resource: Any, resources: Mapping[str, Any]) -> str:
    """An ARN without what all of them share."""
    if isinstance(resource, dict) and (target := resource.get("Fn::GetAtt", [""])[0]) in resources:
        properties = resources[target].get("Properties", {})
        if "QueueName" not in properties and resources[target]["Type"] == "AWS::SQS::Queue":
            return "the queue of undelivered events"
    text = str(resolve(resource, resources, _PLACE))
    return text.replace(":REGION:ACCOUNT:", "::").replace("::ACCOUNT:", "::").removeprefix("arn:aws:")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
