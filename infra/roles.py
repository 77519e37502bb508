"""How every role of the stack is made: its policies stand in it, and each wildcard has its reason."""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.acknowledged import acknowledge_wildcards
from infra.statements import Statements

Policies = dict[str, Statements]
"""Statements by the name of the policy; an empty one is left out."""


def role(scope: Construct, id_: str, service: str, policies: Policies) -> iam.IRole:
    """A role that can do what the statements say and that nothing in CDK can add to."""
    return _made(scope, id_, iam.ServicePrincipal(service), policies).without_policy_updates()


def role_for_sagemaker(
    scope: Construct, id_: str, policies: Policies, *, description: str, name: str | None = None
) -> iam.Role:
    """A role that SageMaker alone assumes, and only on behalf of this account."""
    sagemaker = iam.ServicePrincipal(
        "sagemaker.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
    )
    return _made(scope, id_, sagemaker, policies, description=description, name=name)


def _made(
    scope: Construct,
    id_: str,
    principal: iam.IPrincipal,
    policies: Policies,
    *,
    description: str | None = None,
    name: str | None = None,
) -> iam.Role:
    made = iam.Role(
        scope,
        id_,
        role_name=name,
        description=description,
        assumed_by=principal,
        inline_policies={
            policy: iam.PolicyDocument(statements=rules, minimize=True)
            for policy, rules in policies.items()
            if rules
        },
    )
    acknowledge_wildcards(made, [rule for rules in policies.values() for rule in rules])
    return made
