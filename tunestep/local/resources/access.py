"""IAM roles and policies, kept in moto: GetRole, the simulation and the guard of every call read them.

Raise TemplateUnsupported for a condition that is not evaluated.
"""

import json
from typing import Any

from tunestep.local.access.operations import CONDITION_KEYS
from tunestep.local.access.policy import PolicyUnsupported, check
from tunestep.local.intrinsics import TemplateUnsupported
from tunestep.local.resources.context import Context, Deployed, found

AWS_MANAGED = "arn:aws:iam::aws:policy/"


def _check(logical_id: str, document: dict[str, Any]) -> None:
    try:
        check(document, CONDITION_KEYS)
    except PolicyUnsupported as fault:
        raise TemplateUnsupported(f"{logical_id}: {fault}") from None


def role(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::IAM::Role with its inline policies. AWS-managed policies are not loaded, and left out."""
    iam = context.clients("iam")
    name = context.name(logical_id, properties.get("RoleName"), 64)
    trust = properties["AssumeRolePolicyDocument"]
    existing = found(lambda: iam.get_role(RoleName=name), "NoSuchEntity")
    if existing is None:
        existing = iam.create_role(
            RoleName=name,
            Path=properties.get("Path", "/"),
            AssumeRolePolicyDocument=json.dumps(trust),
            Description=properties.get("Description", ""),
        )
    elif existing["Role"]["AssumeRolePolicyDocument"] != trust:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    for inline in properties.get("Policies", []):
        _check(logical_id, inline["PolicyDocument"])
        _put(iam, name, inline["PolicyName"], inline["PolicyDocument"])
    for arn in properties.get("ManagedPolicyArns", []):
        if not arn.startswith(AWS_MANAGED):
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    described = existing["Role"]
    return Deployed(name, {"Arn": described["Arn"], "RoleId": described["RoleId"]})


def policy(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::IAM::Policy: an inline policy on each of its roles."""
    _check(logical_id, properties["PolicyDocument"])
    for role_name in properties.get("Roles", []):
        _put(context.clients("iam"), role_name, properties["PolicyName"], properties["PolicyDocument"])
    return Deployed(properties["PolicyName"], {})


def managed_policy(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::IAM::ManagedPolicy."""
    _check(logical_id, properties["PolicyDocument"])
    iam = context.clients("iam")
    name = context.name(logical_id, properties.get("ManagedPolicyName"), 128)
    arn = f"arn:aws:iam::{context.account}:policy/{name}"
    if found(lambda: iam.get_policy(PolicyArn=arn), "NoSuchEntity") is None:
        iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(properties["PolicyDocument"]))
    for role_name in properties.get("Roles", []):
        iam.attach_role_policy(RoleName=role_name, PolicyArn=arn)
    return Deployed(arn, {"PolicyArn": arn})


def _put(iam: Any, role_name: str, policy_name: str, document: dict[str, Any]) -> None:
    there = found(lambda: iam.get_role_policy(RoleName=role_name, PolicyName=policy_name), "NoSuchEntity")
    if there is None or there["PolicyDocument"] != document:
        iam.put_role_policy(RoleName=role_name, PolicyName=policy_name, PolicyDocument=json.dumps(document))
