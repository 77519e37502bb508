"""ARNs built from fixed names, so that functions, machine and policies never refer to one another."""

from dataclasses import dataclass

from aws_cdk import Aws

from tunestep import names
from tunestep.settings import Settings, SettingsInvalid
from tunestep.settings_faults import misshapen


def check(settings: Settings) -> None:
    """Refuse what would become a policy that IAM rejects or that allows more than it says.

    Raises SettingsInvalid naming the path.
    """
    for finding in misshapen(settings):
        raise SettingsInvalid(f"settings: {finding.message} (`{finding.where}`)")


@dataclass(frozen=True)
class Arns:
    """Every ARN that a policy or an environment variable of the stack mentions.

    ``rewards`` are the names of the reward functions that the stack deploys.
    """

    settings: Settings
    rewards: tuple[str, ...] = ()

    def _of(self, service: str, resource: str, account: str = Aws.ACCOUNT_ID) -> str:
        return f"arn:{Aws.PARTITION}:{service}:{Aws.REGION}:{account}:{resource}"

    @property
    def stack(self) -> str:
        return self.settings.stack

    @property
    def machine(self) -> str:
        return names.machine_arn(self.stack, Aws.ACCOUNT_ID, Aws.REGION, Aws.PARTITION)

    @property
    def executions(self) -> str:
        return names.execution_arn(self.stack, Aws.ACCOUNT_ID, Aws.REGION, "*", Aws.PARTITION)

    def function(self, verb: str) -> str:
        return self._of("lambda", f"function:{names.function_name(self.stack, verb)}")

    @property
    def reward_functions(self) -> list[str]:
        """Functions that may score answers: the stack's own and those the settings list."""
        own = [
            names.reward_function_name(self.stack, reward, contract)
            for reward in self.rewards
            for contract in names.REWARD_CONTRACTS
        ]
        made = [self._of("lambda", f"function:{name}") for name in own]
        return list(dict.fromkeys((*made, *self.settings.allowed.reward_functions)))

    @property
    def own_rewards(self) -> str:
        """Every name that only a reward of this stack can have."""
        return self._of("lambda", f"function:{names.reward_function_prefix(self.stack)}*")

    @property
    def registry_hub(self) -> str:
        """Name of the account's registry hub, where settings say which account and region that is."""
        region, account = self.settings.region, self.settings.account
        return names.registry_hub_name(region, account) if region and account else "*"

    @property
    def judges(self) -> list[str]:
        """The models that RLAIF takes as judges."""
        model = f"arn:{Aws.PARTITION}:bedrock:{Aws.REGION}::foundation-model"
        return [f"{model}/{judge}" for judge in sorted(names.JUDGE_REGIONS)]

    @property
    def judges_of_jobs(self) -> list[str]:
        """The same models as a training job may reach them: in any region, through a cross-region profile."""
        bedrock, here = f"arn:{Aws.PARTITION}:bedrock", f"{Aws.REGION}:{Aws.ACCOUNT_ID}"
        judges = sorted(names.JUDGE_REGIONS)
        return [
            *(f"{bedrock}:*::foundation-model/{judge}" for judge in judges),
            *(f"{bedrock}:{here}:inference-profile/*.{judge}" for judge in judges),
        ]

    def log_streams(self, group: str) -> str:
        return self._of("logs", f"log-group:{group}:*")

    @property
    def table(self) -> str:
        return self._of("dynamodb", f"table/{names.table_name(self.stack)}")

    @property
    def evidence_table(self) -> str:
        return self._of("dynamodb", f"table/{names.evidence_table_name(self.stack)}")

    @property
    def kind_index(self) -> str:
        return f"{self.table}/index/{names.KIND_INDEX}"

    @property
    def topic(self) -> str:
        return self._of("sns", names.topic_name(self.stack))

    @property
    def approver_topics(self) -> list[str]:
        """The topics of the approvers who have an e-mail address."""
        asked = [approver.id for approver in self.settings.approvers if approver.email]
        return [self._of("sns", names.approver_topic_name(self.stack, id_)) for id_ in asked]

    @property
    def slack_secret(self) -> str:
        """The secret of the settings; Secrets Manager ends its ARN in a hyphen and six characters."""
        slack = self.settings.slack
        return self._of("secretsmanager", f"secret:{slack.secret}-??????") if slack else ""

    @property
    def request_queue(self) -> str:
        return self._of("sqs", names.request_queue_name(self.stack))

    @property
    def bucket_name(self) -> str:
        return names.bucket_name(self.stack, Aws.ACCOUNT_ID, Aws.REGION)

    @property
    def bucket(self) -> str:
        return f"arn:{Aws.PARTITION}:s3:::{self.bucket_name}"

    def objects(self, *prefixes: str) -> list[str]:
        """Objects of the stack's bucket below each prefix."""
        return [f"{self.bucket}/{prefix}*" for prefix in prefixes]

    @property
    def execution_role(self) -> str:
        name = names.execution_role_name(self.stack, Aws.REGION)
        return f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:role/{name}"

    @property
    def public_hub(self) -> list[str]:
        """The service's hub and what lies in it; its account field is the word ``aws``."""
        return [
            self._of("sagemaker", f"hub/{names.HUB}", "aws"),
            self._of("sagemaker", f"hub-content/{names.HUB}/*", "aws"),
        ]

    def sagemaker(self, *types: str) -> list[str]:
        """All resources of the account of each SageMaker type."""
        return [self._of("sagemaker", f"{type_}/*") for type_ in types]

    def sagemaker_named(self, type_: str, name: str) -> str:
        return self._of("sagemaker", f"{type_}/{name}")

    def ec2(self, type_: str, name: str) -> str:
        """A subnet or security group that settings give by id or by ARN."""
        return name if name.startswith("arn:") else self._of("ec2", f"{type_}/{name}")

    @property
    def hub_cache(self) -> str:
        """The service's bucket with licence texts, recipes and override specs."""
        return f"arn:{Aws.PARTITION}:s3:::jumpstart-cache-prod-{Aws.REGION}"

    def locations(self) -> list[tuple[str, str]]:
        """(bucket ARN, prefix) of each location that settings allow; the prefix may be empty."""
        split = [uri.removeprefix("s3://").partition("/") for uri in self.settings.allowed.locations]
        return [(f"arn:{Aws.PARTITION}:s3:::{bucket}", prefix) for bucket, _, prefix in split]

    @property
    def keys(self) -> list[str]:
        """Customer-managed KMS keys: the stack's own and those a request may name."""
        own = (self.settings.kms_key,) if self.settings.kms_key else ()
        return list(dict.fromkeys((*own, *self.settings.allowed.kms_keys)))

    @property
    def mlflow_apps(self) -> list[str]:
        """The MLflow apps a run may log to: the listed ones alone, so not even the account's default."""
        own = (self.settings.mlflow_app,) if self.settings.mlflow_app else ()
        return list(dict.fromkeys((*own, *self.settings.allowed.mlflow_apps)))
