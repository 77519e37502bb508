"""How approvers are reached by e-mail: a topic for each, which nobody else can join."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.arns import Arns
from tunestep import names


class Approvers(Construct):
    """One topic per approver with an address, so that the link in a mail tells who it was sent to.

    What is published here holds the approver's link: delivery is not logged, and the topic takes no
    subscription but that address (conditions of sns:Subscribe: SNS developer guide, "Using identity-based
    policies with Amazon SNS").
    """

    def __init__(self, scope: Construct, id_: str, *, arns: Arns, key: kms.IKey | None) -> None:
        super().__init__(scope, id_)
        encryption = key or kms.Alias.from_alias_name(self, "SnsKey", "alias/aws/sns")
        for approver in arns.settings.approvers:
            if approver.email:
                self._topic(arns.stack, approver.id, approver.email, encryption)

    def _topic(self, stack: str, approver: str, address: str, encryption: kms.IKey) -> None:
        name = names.approver_topic_name(stack, approver)
        topic = sns.Topic(
            self, name, topic_name=name, display_name="Tunestep", enforce_ssl=True, master_key=encryption
        )
        others = {"sns:Endpoint": address}, {"sns:Protocol": "email"}
        for number, only in enumerate(others):
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"NobodyElse{number}",
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=["sns:Subscribe"],
                    resources=[topic.topic_arn],
                    conditions={"StringNotEquals": only},
                )
            )
        sns.Subscription(
            self, f"{name}-mail", topic=topic, protocol=sns.SubscriptionProtocol.EMAIL, endpoint=address
        )
