"""Fine-tune a base model against a reward function (RLVR), in one serverless training job."""

# Cell 0 [markdown]: Reinforcement Learning from Verifiable Rewards (RLVR)

# Trains a base model on prompts, scored by a reward function.
#
# - Use case: [USE_CASE]
# - Base model: [BASE_MODEL]
# - Licence: [LICENCE]
# - Accepted: [ACCEPTANCE]  # ONLY_IF ACCEPTANCE
# - Made from: [ORIGIN]
#
# There is no model before the training job is Completed; run the status cell again until it is.

# Cell 1: Install Dependencies

%pip install --quiet sagemaker-train==1.27.0  # NOTEBOOK_ONLY

# Cell 2: Setup & Credentials

import os

os.environ["AWS_DEFAULT_REGION"] = "[REGION]"
os.environ["SAGEMAKER_HUB_NAME"] = "[HUB_NAME]"  # ONLY_IF HUB_NAME
# The plan checked the role; the SDK would also ask for what only jobs inside a VPC need.  # ONLY_IF NO_VPC
os.environ["SAGEMAKER_VALIDATE_ROLE"] = "false"  # ONLY_IF NO_VPC

from sagemaker.core.helper.session_helper import Session

sagemaker_session = Session()

BASE_MODEL = "[BASE_MODEL]"
MODEL_PACKAGE_GROUP_NAME = "[MODEL_PACKAGE_GROUP_NAME]"
TRAINING_DATA = "[TRAINING_DATA]"
VALIDATION_DATA = "[VALIDATION_DATA]"  # ONLY_IF VALIDATION_DATA
S3_OUTPUT_PATH = "[S3_OUTPUT_PATH]"
ROLE_ARN = "[ROLE_ARN]"
MLFLOW_APP_ARN = "[MLFLOW_APP_ARN]"  # ONLY_IF MLFLOW_APP_ARN
ACCEPT_EULA = "[ACCEPT_EULA]"  # ONLY_IF ACCEPT_EULA
CUSTOM_REWARD_FUNCTION = "[EVALUATOR_ARN]"  # ONLY_IF EVALUATOR_ARN

# Cell 3: Register Reward Function  # ONLY_IF EVALUATOR_SOURCE

from sagemaker.ai_registry.evaluator import Evaluator

evaluator = Evaluator.create(
    name="[EVALUATOR_NAME]",
    type="RewardFunction",
    source="[EVALUATOR_SOURCE]",
    role=ROLE_ARN,
    sagemaker_session=sagemaker_session,
)
CUSTOM_REWARD_FUNCTION = evaluator.arn

# Cell 4: Create Model Package Group

from botocore.exceptions import ClientError
from sagemaker.core.resources import ModelPackageGroup

try:
    model_package_group = ModelPackageGroup.create(model_package_group_name=MODEL_PACKAGE_GROUP_NAME)
except ClientError:
    # It is there already; if that is not the reason, this says what is.
    model_package_group = ModelPackageGroup.get(MODEL_PACKAGE_GROUP_NAME)
print(model_package_group.model_package_group_arn)

# Cell 5: Configure Trainer

from sagemaker.core.shapes import VpcConfig  # ONLY_IF SUBNETS
from sagemaker.core.training.configs import StoppingCondition  # ONLY_IF MAX_RUNTIME_SECONDS
from sagemaker.train.common import TrainingType
from sagemaker.train.rlvr_trainer import RLVRTrainer

trainer = RLVRTrainer(
    model=BASE_MODEL,
    training_type=TrainingType.LORA,  # ONLY_IF LORA
    training_type=TrainingType.FULL,  # ONLY_IF FULL
    model_package_group=model_package_group,
    training_dataset=TRAINING_DATA,
    validation_dataset=VALIDATION_DATA,  # ONLY_IF VALIDATION_DATA
    s3_output_path=S3_OUTPUT_PATH,
    custom_reward_function=CUSTOM_REWARD_FUNCTION,  # ONLY_IF CUSTOM_REWARD
    skip_reward_validation=True,  # ONLY_IF SKIP_REWARD_VALIDATION
    sequence_length="[SEQUENCE_LENGTH]",  # ONLY_IF SEQUENCE_LENGTH
    # The request names no MLflow app; the SDK takes the newest one, or makes one.  # ONLY_IF NO_MLFLOW
    mlflow_resource_arn=MLFLOW_APP_ARN,  # ONLY_IF MLFLOW_APP_ARN
    mlflow_experiment_name="[MLFLOW_EXPERIMENT_NAME]",  # ONLY_IF MLFLOW_EXPERIMENT_NAME
    mlflow_run_name="[MLFLOW_RUN_NAME]",  # ONLY_IF MLFLOW_RUN_NAME
    kms_key_id="[KMS_KEY_ID]",  # ONLY_IF KMS_KEY_ID
    networking=VpcConfig(security_group_ids="[SECURITY_GROUP_IDS]", subnets="[SUBNETS]"),  # ONLY_IF SUBNETS
    stopping_condition=StoppingCondition(max_runtime_in_seconds="[MAX_RUNTIME_SECONDS]"),  # ONLY_IF MAX_RUNTIME_SECONDS
    disable_output_compression=True,  # ONLY_IF UNCOMPRESSED_OUTPUT
    tags="[TAGS]",  # ONLY_IF TAGS
    base_job_name="[BASE_JOB_NAME]",
    accept_eula=ACCEPT_EULA,  # ONLY_IF ACCEPT_EULA
    sagemaker_session=sagemaker_session,
    role=ROLE_ARN,
)

# Cell 6: Hyperparameter Overrides

# A line that is commented out shows what is sent without it.
trainer.hyperparameters.NAME = "[VALUE]"  # EACH_HYPERPARAMETER

# The SDK would send options without a value, and the service refuses some of those.
for name, value in trainer.hyperparameters.to_dict().items():
    if value == "":
        del trainer.hyperparameters._specs[name]

# Cell 7: Start Training

training_job = trainer.train(wait="[WAIT]")
print(training_job.training_job_name)

# Cell 8: Training Status

job = sagemaker_session.sagemaker_client.describe_training_job(
    TrainingJobName=training_job.training_job_name
)
print(job["TrainingJobStatus"], job.get("FailureReason", ""))
for step in job.get("SecondaryStatusTransitions", []):
    print(f"{step['StartTime']:%H:%M:%S}  {step['Status']}  {step.get('StatusMessage', '')}")

# Cell 9: Model Package

# A failed job may name a package too, so the status comes first.
if job["TrainingJobStatus"] == "Completed":
    print(job.get("OutputModelPackageArn", "The job names no model package."))
else:
    print(f"There is no model yet: the job is {job['TrainingJobStatus']}. Run the status cell again later.")

# Cell 10: Metrics per Epoch

import math

import mlflow
from mlflow.tracking import MlflowClient

METRICS = "[METRICS]"
histories = {}
if "MlflowRunId" in job.get("MlflowDetails", {}):
    mlflow.set_tracking_uri(job["MlflowConfig"]["MlflowResourceArn"])
    client = MlflowClient()
    for name in METRICS:
        histories[name] = client.get_metric_history(job["MlflowDetails"]["MlflowRunId"], name)
histories = {name: points for name, points in histories.items() if points}

progress = job.get("ProgressInfo", {})
steps_per_epoch = progress.get("TotalStepCountPerEpoch", 1)
longest = max(histories.values(), key=len, default=[])
first_step = min((point.step for point in longest), default=1)
rows = {}
for name, points in histories.items():
    for point in points:
        row = (point.step - min(first_step, 1)) // steps_per_epoch + 1
        row = min(row, progress.get("MaxEpoch", row))
        if row > 0 and math.isfinite(point.value):
            rows.setdefault(row, {}).setdefault(name, []).append(point.value)

print("  ".join(["epoch" if progress else " step", *(f"{name:>22}" for name in histories)]))
for row, values in sorted(rows.items()):
    means = [sum(values[name]) / len(values[name]) if name in values else float("nan") for name in histories]
    print("  ".join([f"{row:5}", *(f"{mean:22.4f}" for mean in means)]))

# Cell 11: Plot Metrics  # NOTEBOOK_ONLY_SECTION

import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, max(len(histories), 1), figsize=(5 * max(len(histories), 1), 3.5), squeeze=False)
for axis, (name, points) in zip(axes[0], histories.items()):
    axis.plot([point.step for point in points], [point.value for point in points])
    axis.set(title=name, xlabel="step", ylabel=name)
    axis.grid(alpha=0.3)
figure.tight_layout()
