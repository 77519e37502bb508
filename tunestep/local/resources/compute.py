"""Functions, their log groups, and the state machine."""

import json
from typing import Any

from tunestep.local.functions import Function
from tunestep.local.intrinsics import TemplateUnsupported
from tunestep.local.queues import QueueMapping
from tunestep.local.resources.context import Context, Deployed, found


def function(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::Lambda::Function from an asset of the assembly."""
    name = context.name(logical_id, properties.get("FunctionName"), 64)
    key = properties["Code"].get("S3Key")
    folder = context.assets.get(key)
    if folder is None or not folder.is_dir():
        raise TemplateUnsupported(
            f"AWS::Lambda::Function ({logical_id}): its code is not a folder of the assembly"
        )
    arn = context.arn("lambda", f"function:{name}")
    context.pool.put(
        Function(
            name=name,
            arn=arn,
            code=folder,
            handler=properties["Handler"],
            variables=properties.get("Environment", {}).get("Variables", {}),
            timeout=int(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            description=properties.get("Description", ""),
            role=properties.get("Role", ""),
            runtime=properties.get("Runtime", ""),
            tags={tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])},
        )
    )
    return Deployed(name, {"Arn": arn})


def event_invoke_config(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::Lambda::EventInvokeConfig: how often an asynchronous invocation is tried again."""
    name = properties["FunctionName"].rpartition(":function:")[2] or properties["FunctionName"]
    retries = int(properties.get("MaximumRetryAttempts", 2))
    context.pool.put(context.pool.get(name)._replace(retries=retries))
    return Deployed(f"{context.stack}-{logical_id}", {})


def event_source_mapping(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::Lambda::EventSourceMapping: a queue that a function reads."""
    source = properties["EventSourceArn"]
    if source.split(":")[2] != "sqs" or properties.get("FilterCriteria"):
        raise TemplateUnsupported(
            f"AWS::Lambda::EventSourceMapping ({logical_id}): only queues without a filter are emulated"
        )
    if properties.get("Enabled", True):
        function = properties["FunctionName"].rpartition(":function:")[2] or properties["FunctionName"]
        partial = "ReportBatchItemFailures" in properties.get("FunctionResponseTypes", [])
        size = int(properties.get("BatchSize", 10))
        context.queues.append(QueueMapping(source, function, size, partial))
    return Deployed(f"{context.stack}-{logical_id}", {})


def log_group(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::Logs::LogGroup. The functions' lines are in files (functions/<name>/log.txt), not in here."""
    logs = context.clients("logs")
    name = context.name(logical_id, properties.get("LogGroupName"), 512)
    found(lambda: logs.create_log_group(logGroupName=name), "ResourceAlreadyExistsException")
    return Deployed(name, {"Arn": context.arn("logs", f"log-group:{name}:*")})


def machine(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::StepFunctions::StateMachine; executions that run keep the definition they began with."""
    client = context.clients("stepfunctions")
    name = context.name(logical_id, properties.get("StateMachineName"), 80)
    definition = properties.get("DefinitionString") or json.dumps(properties["Definition"])
    for key, value in properties.get("DefinitionSubstitutions", {}).items():
        definition = definition.replace("${" + key + "}", str(value))
    arn = context.arn("states", f"stateMachine:{name}")
    there = found(lambda: client.describe_state_machine(stateMachineArn=arn), "StateMachineDoesNotExist")
    if there is None:
        client.create_state_machine(name=name, definition=definition, roleArn=properties["RoleArn"])
    elif (there["definition"], there["roleArn"]) != (definition, properties["RoleArn"]):
        client.update_state_machine(stateMachineArn=arn, definition=definition, roleArn=properties["RoleArn"])
    return Deployed(arn, {"Arn": arn, "Name": name})


def mlflow_app(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::SageMaker::MlflowApp; the one of this name that is there stays."""
    client = context.clients("sagemaker")
    name = context.name(logical_id, properties.get("Name"), 256)
    there = [app["Arn"] for app in client.list_mlflow_apps()["Summaries"] if app["Name"] == name]
    arn = (
        there[0]
        if there
        else client.create_mlflow_app(
            Name=name, ArtifactStoreUri=properties["ArtifactStoreUri"], RoleArn=properties["RoleArn"]
        )["Arn"]
    )
    return Deployed(arn, {"Arn": arn})
