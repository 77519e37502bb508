"""Training jobs: the operations. Running them is the supervisor's part."""
# ruff: noqa: N802 - operations have the service's names

import re
from typing import Any

from tunestep import recipes
from tunestep.local.awsjson import AwsError
from tunestep.local.sagemaker import job_checks, job_state, job_view
from tunestep.local.sagemaker.hub import HubOperations
from tunestep.local.sagemaker.job_folder import JobFolders
from tunestep.local.sagemaker.job_state import Job
from tunestep.local.sagemaker.listing import between, ordered, page, select
from tunestep.local.sagemaker.packages import PackageOperations
from tunestep.local.sagemaker.supervision import Supervisor
from tunestep.local.world import World

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_SUMMARY = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingEndTime",
    "LastModifiedTime",
    "TrainingJobStatus",
    "SecondaryStatus",
)


class JobOperations(HubOperations, PackageOperations):
    """CreateTrainingJob and the rest, on jobs that a supervisor runs."""

    world: World
    supervisor: Supervisor
    folders: JobFolders | None

    def CreateTrainingJob(self, params: dict[str, Any]) -> dict[str, Any]:
        name = params["TrainingJobName"]
        # The name becomes a folder's: it is checked here again, whatever the published pattern turns into.
        if not _NAME.fullmatch(name):
            raise AwsError("ValidationException", f"{name!r} is not a training job name.")
        if self.folders is None:
            raise AwsError("NotImplemented", "this SageMaker answers questions only; it trains nothing", 501)
        arn = self.arn("training-job", name)
        self._refuse_taken(name, arn)
        config = job_checks.is_serverless(params)
        base = job_checks.base_model(config, lambda model: self.find_content(model, any_version=True))
        values = params.get("HyperParameters", {})
        job_checks.hyperparameters(
            self.world.override_specs.get(recipes.spec_uri(base.recipe, self.account)), values
        )
        job_checks.reward(config, values, self.find_content)
        source = self._source_weights(params.get("ModelPackageConfig", {}))
        now = self.clock()
        job = Job(
            name=name,
            arn=arn,
            request=params,
            created=now,
            modified=now,
            base_model=base.name,
            base_version=base.version,
            recipe=base.recipe["Name"],
            metering=base.recipe.get("ServerlessMeteringType", ""),
            transitions=(
                job_state.Transition(
                    Status="Starting", StartTime=now, StatusMessage="Starting the training job"
                ),
            ),
        )
        with self.records.transaction():
            self._refuse_taken(name, arn)
            self.folders.prepare(job, source)
            self.supervisor.add(job)
            self.tag(arn, params)
        self.supervisor.announce(job)
        return {"TrainingJobArn": arn}

    def DescribeTrainingJob(self, params: dict[str, Any]) -> dict[str, Any]:
        return job_view.describe(self._job(params["TrainingJobName"]), self.clock())

    def StopTrainingJob(self, params: dict[str, Any]) -> dict[str, Any]:
        job = self.supervisor.stop(self._job(params["TrainingJobName"]).name)
        if job.terminal:
            raise AwsError(
                "ValidationException",
                f"The request was rejected because the training job is in status {job.status}.",
            )
        return {}

    def ListTrainingJobs(self, params: dict[str, Any]) -> dict[str, Any]:
        now = self.clock()
        jobs = [select(job_view.describe(job, now), _SUMMARY) for job in self.supervisor.jobs()]
        jobs = [job for job in jobs if params.get("NameContains", "") in job["TrainingJobName"]]
        if status := params.get("StatusEquals"):
            jobs = [job for job in jobs if job["TrainingJobStatus"] == status]
        jobs = between(jobs, params, "CreationTime", "CreationTimeAfter", "CreationTimeBefore")
        jobs = between(jobs, params, "LastModifiedTime", "LastModifiedTimeAfter", "LastModifiedTimeBefore")
        fields = {"Name": "TrainingJobName", "CreationTime": "CreationTime", "Status": "TrainingJobStatus"}
        return page(ordered(jobs, params, fields, "Ascending"), params, "TrainingJobSummaries")

    def _job(self, name: str) -> Job:
        job = self.supervisor.find(name)
        if job is None:
            raise AwsError("ValidationException", "Requested resource not found.")
        return job

    def _refuse_taken(self, name: str, arn: str) -> None:
        if self.supervisor.find(name) is not None:
            raise AwsError(
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, "
                f"and a training job with this name already exists ({arn})",
            )

    def _source_weights(self, config: dict[str, str]) -> str | None:
        """Where the weights of the package to go on from lie; the group and the package have to exist."""
        if "ModelPackageGroupArn" in config:
            self.group(config["ModelPackageGroupArn"])
        if "SourceModelPackageArn" not in config:
            return None
        package = self.package(config["SourceModelPackageArn"])
        containers = package.get("InferenceSpecification", {}).get("Containers", [{}])
        data = containers[0].get("ModelDataSource", {}).get("S3DataSource", {})
        if package["ModelPackageStatus"] != "Completed" or "S3Uri" not in data:
            # Ours: there are no weights to go on from.
            raise AwsError(
                "ValidationException", f"{package['ModelPackageArn']} holds no model to go on from."
            )
        return str(data["S3Uri"])

    def register_package(self, job: Job) -> str:
        """The ARN of the package that an ended job leaves in its group; empty without a group."""
        group = job.request.get("ModelPackageConfig", {}).get("ModelPackageGroupArn")
        if group is None:
            return ""
        return self.add_package(group.rpartition("/")[2], job_view.package_members(job))
