"""MLflow apps: the resource only; what an app stores is the MLflow service's affair."""
# ruff: noqa: N802 - operations have the service's names

import secrets
from typing import Any

from tunestep.local.awsjson import AwsError
from tunestep.local.sagemaker.base import Account, public
from tunestep.local.sagemaker.listing import between, ordered, page, select
from tunestep.local.sagemaker.records import Document

MLFLOW_VERSION = "3.4.0"
"""The version that apps report; the newest one seen on a real app."""

_SUMMARY = ("Arn", "Name", "Status", "CreationTime", "LastModifiedTime", "MlflowVersion")
_GIVEN = (
    "Name",
    "ArtifactStoreUri",
    "RoleArn",
    "KmsKeyId",
    "ModelRegistrationMode",
    "WeeklyMaintenanceWindowStart",
    "AccountDefaultStatus",
    "DefaultDomainIdList",
)


class MlflowAppOperations(Account):
    def CreateMlflowApp(self, params: dict[str, Any]) -> dict[str, Any]:
        arn = self.arn("mlflow-app", "app-" + secrets.token_hex(6).upper())
        app = {
            "ModelRegistrationMode": "AutoModelRegistrationDisabled",
            "AccountDefaultStatus": "DISABLED",
            "DefaultDomainIdList": [],
            **select(params, _GIVEN),
            "Arn": arn,
            "MlflowVersion": MLFLOW_VERSION,
            "Status": "Created",
            "CreationTime": self.clock(),
            "LastModifiedTime": self.clock(),
            "_ready_at": self.ready_at(),
        }
        self.records.add("mlflow_app", arn, app)
        self.tag(arn, params)
        return {"Arn": arn}

    def DescribeMlflowApp(self, params: dict[str, Any]) -> dict[str, Any]:
        return self._app_view(self.mlflow_app(params["Arn"]))

    def ListMlflowApps(self, params: dict[str, Any]) -> dict[str, Any]:
        apps = [self._app_view(app) for app in self.records.all("mlflow_app")]
        for filter_, member in (("Status", "Status"), ("MlflowVersion", "MlflowVersion")):
            if filter_ in params:
                apps = [app for app in apps if app.get(member) == params[filter_]]
        if wanted := params.get("AccountDefaultStatus"):
            apps = [app for app in apps if app.get("AccountDefaultStatus", "DISABLED") == wanted]
        if domain := params.get("DefaultForDomainId"):
            apps = [app for app in apps if domain in app.get("DefaultDomainIdList", [])]
        apps = between(apps, params, "CreationTime", "CreatedAfter", "CreatedBefore")
        fields = {name: name for name in ("Name", "CreationTime", "Status")}
        apps = [select(app, _SUMMARY) for app in ordered(apps, params, fields, "Descending")]
        return page(apps, params, "Summaries")

    def DeleteMlflowApp(self, params: dict[str, Any]) -> dict[str, Any]:
        arn = self.mlflow_app(params["Arn"])["Arn"]
        self.records.delete("mlflow_app", arn)
        return {"Arn": arn}

    def mlflow_app(self, arn: str) -> Document:
        """The app's record; raises AwsError (ResourceNotFound)."""
        app = self.records.get("mlflow_app", arn)
        if app is None:
            raise AwsError("ResourceNotFound", f"MlflowApp {arn} does not exist.")
        return app

    def _app_view(self, app: Document) -> Document:
        return public(app if self.settled(app) else {**app, "Status": "Creating"})
