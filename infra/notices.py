"""Where notices go: one topic, with the e-mail addresses of the settings as subscribers."""

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.arns import Arns
from tunestep import names


class Notices(Construct):
    """The topic. The stack's functions publish to it, and its alarms where the key lets them."""

    def __init__(self, scope: Construct, id_: str, *, arns: Arns, key: kms.IKey | None) -> None:
        super().__init__(scope, id_)
        self.topic = sns.Topic(
            self,
            "Topic",
            topic_name=names.topic_name(arns.stack),
            display_name="Tunestep",
            enforce_ssl=True,
            master_key=key or kms.Alias.from_alias_name(self, "SnsKey", "alias/aws/sns"),
        )
        for address in arns.settings.notice_emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))
