"""Model package groups and model packages."""
# ruff: noqa: N802 - operations have the service's names

from typing import Any

from tunestep.local.awsjson import AwsError
from tunestep.local.sagemaker.base import Account, public
from tunestep.local.sagemaker.listing import between, ordered, page, select
from tunestep.local.sagemaker.records import Document, Taken

_GROUP_SUMMARY = (
    "ModelPackageGroupName",
    "ModelPackageGroupArn",
    "ModelPackageGroupDescription",
    "CreationTime",
    "ModelPackageGroupStatus",
    "ManagedConfiguration",
)
_PACKAGE_SUMMARY = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
)
_UPDATABLE = (
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)


class PackageOperations(Account):
    """Unknown groups and packages are ValidationException, as the service answers them."""

    def CreateModelPackageGroup(self, params: dict[str, Any]) -> dict[str, Any]:
        name = params["ModelPackageGroupName"]
        arn = self.arn("model-package-group", name)
        group = {
            **select(
                params, ("ModelPackageGroupName", "ModelPackageGroupDescription", "ManagedConfiguration")
            ),
            "ModelPackageGroupArn": arn,
            "CreationTime": self.clock(),
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
        }
        try:
            self.records.add("group", name, group)
        except Taken:
            raise AwsError("ValidationException", f"Model Package Group already exists: {arn}") from None
        self.tag(arn, params)
        return {"ModelPackageGroupArn": arn}

    def DescribeModelPackageGroup(self, params: dict[str, Any]) -> dict[str, Any]:
        return public(self.group(params["ModelPackageGroupName"]))

    def ListModelPackageGroups(self, params: dict[str, Any]) -> dict[str, Any]:
        groups = [
            select(group, _GROUP_SUMMARY)
            for group in self.records.all("group")
            if params.get("NameContains", "") in group["ModelPackageGroupName"]
        ]
        groups = between(groups, params, "CreationTime", "CreationTimeAfter", "CreationTimeBefore")
        fields = {"Name": "ModelPackageGroupName", "CreationTime": "CreationTime"}
        return page(ordered(groups, params, fields, "Ascending"), params, "ModelPackageGroupSummaryList")

    def DeleteModelPackageGroup(self, params: dict[str, Any]) -> dict[str, Any]:
        with self.records.transaction():
            group = self.group(params["ModelPackageGroupName"])
            if self._versions(group["ModelPackageGroupName"]):
                raise AwsError(
                    "ConflictException",
                    f"{group['ModelPackageGroupArn']} still has model packages; delete them first.",
                )
            self.records.delete("group", group["ModelPackageGroupName"])
        return {}

    def DescribeModelPackage(self, params: dict[str, Any]) -> dict[str, Any]:
        return public(self.package(params["ModelPackageName"]))

    def ListModelPackages(self, params: dict[str, Any]) -> dict[str, Any]:
        found = self._listed(params)
        if status := params.get("ModelApprovalStatus"):
            found = [p for p in found if p.get("ModelApprovalStatus") == status]
        part = params.get("NameContains", "")
        found = [p for p in found if part in p["ModelPackageArn"].partition("/")[2]]
        summaries = between(
            [select(p, _PACKAGE_SUMMARY) for p in found],
            params,
            "CreationTime",
            "CreationTimeAfter",
            "CreationTimeBefore",
        )
        fields = {"Name": "ModelPackageArn", "CreationTime": "CreationTime"}
        return page(ordered(summaries, params, fields, "Ascending"), params, "ModelPackageSummaryList")

    def UpdateModelPackage(self, params: dict[str, Any]) -> dict[str, Any]:
        with self.records.transaction():
            package = self.package(params["ModelPackageArn"])
            package |= select(params, _UPDATABLE)
            properties = package.get("CustomerMetadataProperties", {}) | params.get(
                "CustomerMetadataProperties", {}
            )
            for key in params.get("CustomerMetadataPropertiesToRemove", []):
                properties.pop(key, None)
            package["CustomerMetadataProperties"] = properties or None
            package["LastModifiedTime"] = self.clock()
            self.records.put("package", package["ModelPackageArn"], package)
        return {"ModelPackageArn": package["ModelPackageArn"]}

    def DeleteModelPackage(self, params: dict[str, Any]) -> dict[str, Any]:
        package = self.package(params["ModelPackageName"])
        self.records.delete("package", package["ModelPackageArn"])
        return {}

    def group(self, name_or_arn: str) -> Document:
        """The group's record; raises AwsError (ValidationException)."""
        name = name_or_arn.rpartition("/")[2]
        arn = self.arn("model-package-group", name)
        group = self.records.get("group", name)
        if group is None or (":" in name_or_arn and name_or_arn != arn):
            raise AwsError("ValidationException", f"ModelPackageGroup {arn} does not exist.")
        return group

    def package(self, name_or_arn: str) -> Document:
        """The package's record, by ARN or ``group/version``; raises AwsError (ValidationException)."""
        arn = name_or_arn if ":" in name_or_arn else self.arn("model-package", name_or_arn)
        package = self.records.get("package", arn)
        if package is None:
            raise AwsError("ValidationException", f"ModelPackage {arn} does not exist.")
        return package

    def add_package(self, group: str, members: Document) -> str:
        """Store the next version of a group and return its ARN.

        A version number is never given twice, so the number is kept with the group.
        """
        with self.records.transaction():
            counter = self.records.get("group_counter", group) or {"last": 0}
            versions = [p["ModelPackageVersion"] for p in self._versions(group)]
            version = max([counter["last"], *versions]) + 1
            self.records.put("group_counter", group, {"last": version})
            arn = self.arn("model-package", f"{group}/{version}")
            package = {
                "ModelPackageName": group,
                "ModelPackageGroupName": group,
                "ModelPackageVersion": version,
                "ModelPackageArn": arn,
                "CreationTime": self.clock(),
                **members,
            }
            self.records.add("package", arn, package)
        return arn

    def _versions(self, group: str) -> list[Document]:
        return self.records.all("package", self.arn("model-package", f"{group}/"))

    def _listed(self, params: dict[str, Any]) -> list[Document]:
        """Packages of the group or, without one, of the type; the service's default is Unversioned."""
        if name := params.get("ModelPackageGroupName"):
            return self._versions(self.group(name)["ModelPackageGroupName"])
        kind = params.get("ModelPackageType", "Unversioned")
        return [
            package
            for package in self.records.all("package")
            if kind == "Both" or ("ModelPackageVersion" in package) == (kind == "Versioned")
        ]
