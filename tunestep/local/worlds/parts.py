"""The parts of a world document, checked and normalised one by one."""

import re
from typing import Any

from tunestep import lambda_functions, s3uri
from tunestep.local.awsjson import service_model
from tunestep.local.worlds.reading import at, entries, mapping, member, refuse, sequence, text

Described = dict[str, dict[str, Any] | None]

_CONTENT = re.compile(
    r"[a-zA-Z0-9-]{1,63}/(Model|ModelReference|Notebook|DataSet|JsonDoc)/[a-zA-Z0-9-]{1,64}"
)
_VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}")
_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+)", re.DOTALL)
_PACKAGE = re.compile(
    r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:model-package/([a-zA-Z0-9-]{1,63})/(\d{1,9})"
)
_APP = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:mlflow-app/.+")
_EVALUATOR = re.compile(
    r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:hub-content/"
    r"[a-zA-Z0-9-]{1,63}/(JsonDoc|DataSet)/[a-zA-Z0-9-]{1,63}/\d{1,4}\.\d{1,4}\.\d{1,4}"
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_GROUP = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


def hub(value: object) -> dict[str, list[dict[str, Any]]]:
    """``HUB/TYPE/NAME`` -> versions, each with ``version``, ``document`` and optional ``keywords``."""
    contents: dict[str, list[dict[str, Any]]] = {}
    for key, versions in mapping(value, "$.hub").items():
        path = at("$.hub", key)
        if not _CONTENT.fullmatch(key):
            refuse(path, "must be named HUB/TYPE/NAME, like SageMakerPublicHub/Model/some-model")
        contents[key] = [_version(item, f"{path}[{i}]") for i, item in enumerate(sequence(versions, path))]
        if not contents[key]:
            refuse(path, "has no version; a content has at least one")
    return contents


def _version(value: object, path: str) -> dict[str, Any]:
    item = mapping(value, path)
    version = text(member(item, "version", path), f"{path}.version")
    if not _VERSION.fullmatch(version):
        refuse(f"{path}.version", f"{version!r} is not a version; one reads 1.0.0")
    document = mapping(member(item, "document", path), f"{path}.document")
    recipes = sequence(document.get("RecipeCollection", []), f"{path}.document.RecipeCollection")
    for index, recipe in enumerate(recipes):
        mapping(recipe, f"{path}.document.RecipeCollection[{index}]")
    keywords = sequence(item.get("keywords", []), f"{path}.keywords")
    return {
        "version": version,
        "document": document,
        "keywords": [text(word, f"{path}.keywords[{i}]") for i, word in enumerate(keywords)],
        **{
            name: text(item[name], f"{path}.{name}")
            for name in ("display_name", "description")
            if name in item
        },
    }


def override_spec(uri: str, value: object, account: str) -> tuple[str, dict[str, Any]]:
    """A spec and its URI, in which ``{customer_id}`` stands for the account as in the hub's documents.

    A value that is no object is no parameter: the hub's own files hold such markers.
    """
    path = at("$.override_specs", uri)
    try:
        parsed = s3uri.parse(uri.replace("{customer_id}", account))
    except s3uri.S3UriInvalid:
        parsed = s3uri.S3Uri("", "")
    if not parsed.key:
        refuse(path, "must be named by its S3 URI, s3://bucket/key")
    return str(parsed), mapping(value, path)


def mlflow_apps(value: object, region: str) -> list[dict[str, Any]]:
    apps = []
    for index, item in enumerate(sequence(value, "$.mlflow_apps")):
        path = f"$.mlflow_apps[{index}]"
        app = mapping(item, path)
        arn = text(member(app, "Arn", path), f"{path}.Arn")
        if not _APP.fullmatch(arn):
            refuse(f"{path}.Arn", f"{arn!r} is not the ARN of an MLflow app in {region}")
        _known_members(app, "DescribeMlflowApp", path)
        apps.append({"Name": arn.rpartition("/")[2], "Status": "Created"} | app)
    return apps


def _known_members(value: dict[str, Any], operation: str, path: str) -> None:
    """What a Describe operation answers has the members of its published shape, and no others."""
    shape = service_model("sagemaker").operation_model(operation).output_shape
    for name in value:
        if shape is not None and name not in shape.members:
            refuse(at(path, name), f"{operation} answers no such member")


def model_packages(value: object) -> dict[str, dict[str, Any]]:
    packages = {}
    for arn, item in mapping(value, "$.model_packages").items():
        path = at("$.model_packages", arn)
        match = _PACKAGE.fullmatch(arn)
        if match is None:
            refuse(
                path, "must be named by its ARN, arn:aws:sagemaker:REGION:ACCOUNT:model-package/GROUP/VERSION"
            )
        _known_members(mapping(item, path), "DescribeModelPackage", path)
        packages[arn] = {
            "ModelPackageName": match[1],
            "ModelPackageGroupName": match[1],
            "ModelPackageVersion": int(match[2]),
            "ModelPackageArn": arn,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
            **item,
        }
    return packages


def groups(value: object) -> Described:
    path = "$.model_package_groups"
    found = entries(value, path, name=lambda written: written.rpartition("/")[2], key="name")
    for name in found:
        if not _GROUP.fullmatch(name):
            refuse(at(path, name), "is not the name or ARN of a model package group")
    return found


def roles(value: object, account: str) -> Described:
    """Roles by ARN; a bare name is one of the world's account.

    ``trust`` is a service principal, a list of them or a trust policy; the default is
    sagemaker.amazonaws.com. ``policies`` are inline policy documents; the default allows everything.
    """
    found = entries(value, "$.roles", name=lambda written: role_arn(written, account), key="name")
    for arn, role in found.items():
        path = at("$.roles", arn)
        if not _ROLE.fullmatch(arn):
            refuse(path, "is not the name or ARN of an IAM role")
        if role is not None:
            role["trust_policy"] = _trust(_first(role, _TRUST, "sagemaker.amazonaws.com"), path)
            for index, policy in enumerate(sequence(role.get("policies", []), f"{path}.policies")):
                mapping(policy, f"{path}.policies[{index}]")
    return found


_TRUST = ("trust", "trust_policy", "AssumeRolePolicyDocument", "principals")


def _first(role: dict[str, Any], names: tuple[str, ...], default: object) -> object:
    return next((role[name] for name in names if name in role), default)


def _trust(value: object, path: str) -> dict[str, Any]:
    if isinstance(value, dict) and ("Statement" in value or not value):
        return {"Version": "2012-10-17", "Statement": [], **value}
    principals = [value] if isinstance(value, str) else sequence(value or [], f"{path}.trust")
    services = [text(item, f"{path}.trust[{i}]") for i, item in enumerate(principals)]
    by_kind: dict[str, list[str]] = {}
    for principal in services:
        by_kind.setdefault("AWS" if principal.startswith("arn:") else "Service", []).append(principal)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {kind: names}, "Action": "sts:AssumeRole"}
            for kind, names in by_kind.items()
        ],
    }


def role_arn(name_or_arn: str, account: str) -> str:
    if name_or_arn.startswith("arn:"):
        return name_or_arn
    return f"arn:aws:iam::{account}:role/{name_or_arn.removeprefix('role/')}"


def buckets(value: object) -> Described:
    """Buckets by name: optional ``region``, and ``forbidden`` for one that answers 403."""
    path = "$.buckets"
    found = entries(value, path, name=lambda written: written.removeprefix("s3://").rstrip("/"), key="name")
    for name, bucket in found.items():
        if not _BUCKET.fullmatch(name):
            refuse(at(path, name), "is not a bucket name")
        if bucket and not isinstance(bucket.get("region", ""), str):
            refuse(at(path, name) + ".region", "must be text")
        if bucket and not isinstance(bucket.get("forbidden", False), bool):
            refuse(at(path, name) + ".forbidden", "must be true or false")
    return found


def objects(value: object) -> Described:
    """Objects by URI: ``body`` (text, or JSON written out; a list becomes lines), or ``size`` in bytes."""
    path = "$.objects"
    found = entries(value, path, name=str, key="uri")
    for uri, description in found.items():
        place = at(path, uri)
        if not is_plain(uri):
            refuse(place, "must be named by its S3 URI, s3://bucket/key")
        size = (description or {}).get("size", 0)
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            refuse(f"{place}.size", "must be a number of bytes")
    return found


def evaluators(value: object) -> Described:
    path = "$.evaluators"
    found = entries(value, path, name=str, key="arn")
    for arn in found:
        if not _EVALUATOR.fullmatch(arn):
            refuse(at(path, arn), "must be named by its ARN, arn:...:hub-content/HUB/JsonDoc/NAME/1.0.0")
    return found


def functions(value: object, region: str, account: str) -> Described:
    """Lambda functions by ARN; a bare name is one of the world's account and region."""
    prefix = f"arn:aws:lambda:{region}:{account}:function:"
    path = "$.functions"

    def named(written: str) -> str:
        return written if written.startswith("arn:") else f"{prefix}{written}"

    found = entries(value, path, name=named, key="arn")
    for arn in found:
        function = lambda_functions.parse(arn)
        if function is None or function.qualifier:
            refuse(at(path, arn), "is not the name or ARN of a Lambda function")
    return found


def is_plain(uri: str) -> bool:
    """Whether the URI names an object in a bucket, and not one behind an access point."""
    try:
        return bool(s3uri.parse(uri).key and _S3.fullmatch(uri))
    except s3uri.S3UriInvalid:
        return False


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket (or access point ARN) and key of an S3 URI that was checked before."""
    parsed = s3uri.parse(uri)
    return parsed.bucket, parsed.key
