"""Print the metrics of one training job per epoch and draw them: python3 THIS_FILE [TRAINING_JOB_NAME]"""

# Cell 0 [markdown]: Training Metrics

# Status and metrics of a training job, read from SageMaker and MLflow.
#
# - Use case: [USE_CASE]
# - Made from: [ORIGIN]

# Cell 1: Setup & Credentials

import os
import sys

os.environ["AWS_DEFAULT_REGION"] = "[REGION]"

import boto3

TRAINING_JOB_NAME = sys.argv[1]  # ONLY_IF NO_JOB
TRAINING_JOB_NAME = sys.argv[1] if len(sys.argv) > 1 else "[TRAINING_JOB_NAME]"  # ONLY_IF TRAINING_JOB_NAME

# Cell 2: Training Status

job = boto3.client("sagemaker").describe_training_job(TrainingJobName=TRAINING_JOB_NAME)
print(job["TrainingJobStatus"], job.get("FailureReason", ""))
for step in job.get("SecondaryStatusTransitions", []):
    print(f"{step['StartTime']:%H:%M:%S}  {step['Status']}  {step.get('StatusMessage', '')}")

# Cell 3: Metrics per Epoch

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

# Cell 4: Plot Metrics

import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, max(len(histories), 1), figsize=(5 * max(len(histories), 1), 3.5), squeeze=False)
for axis, (name, points) in zip(axes[0], histories.items()):
    axis.plot([point.step for point in points], [point.value for point in points])
    axis.set(title=name, xlabel="step", ylabel=name)
    axis.grid(alpha=0.3)
figure.tight_layout()
figure.savefig(f"{TRAINING_JOB_NAME}.png")
