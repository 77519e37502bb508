"""Findings of cdk-nag's AwsSolutions pack that stand, each acknowledged on its own resource with the reason.

A resource with a wildcard that no reason here covers stops the synthesis, so a new one is never let
through by an old acknowledgment.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

import aws_cdk as cdk
from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import IConstruct

from infra.wildcards import BELOW, REASONS

ACCESS_LOG = "AwsSolutions-S1"
RUNTIME = "AwsSolutions-L1"
AUTHORISATION = "AwsSolutions-APIG4"

_WORDS = {
    Aws.PARTITION: "<AWS::Partition>",
    Aws.REGION: "<AWS::Region>",
    Aws.ACCOUNT_ID: "<AWS::AccountId>",
}


def acknowledge(resource: IConstruct, *rules: tuple[str, str]) -> None:
    """Let findings of one resource stand; each rule comes with the reason."""
    cdk.Validations.of(resource).acknowledge(
        *(cdk.Acknowledgment(id=rule, reason=reason) for rule, reason in rules)
    )


def acknowledge_wildcards(role: iam.Role, statements: Iterable[iam.PolicyStatement]) -> None:
    """State why each wildcard in the policies of a role is there; KeyError for one without a reason."""
    rules = {
        f"AwsSolutions-IAM5[Resource::{resource}]": reason for resource, reason in _wildcards(statements)
    }
    if rules:
        acknowledge(role, *rules.items())


def _wildcards(statements: Iterable[iam.PolicyStatement]) -> Iterator[tuple[str, str]]:
    everywhere: dict[str, None] = {}
    for statement in statements:
        for resource in statement.resources:
            if resource == "*":
                everywhere.update(dict.fromkeys(REASONS[action] for action in statement.actions))
            elif "*" in resource:
                readable = _readable(resource)
                yield readable, why(readable)
    if everywhere:
        yield "*", "; ".join(everywhere)


def _readable(resource: str) -> str:
    for token, word in _WORDS.items():
        resource = resource.replace(token, word)
    return resource


def why(resource: str) -> str:
    """The reason for the wildcard in an ARN; KeyError when there is none."""
    for pattern, reason in BELOW.items():
        if fnmatchcase(resource, pattern):
            return reason
    raise KeyError(f"no reason in infra/wildcards.py for the wildcard of {resource}")
