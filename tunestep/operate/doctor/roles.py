"""Roles of training jobs and of functions: they are there, and the right service may assume them."""

from collections.abc import Iterator
from typing import Any

from tunestep import names
from tunestep.checks.calls import ask
from tunestep.checks.role import trusts_sagemaker
from tunestep.operate.doctor.diagnosis import Diagnosis, broken, ok, unreadable
from tunestep.operate.stack import Stack

_LAMBDA = "lambda.amazonaws.com"


def execution_roles(stack: Stack) -> Iterator[Diagnosis]:
    """The stack's own role for jobs, and those that the settings list."""
    for arn in (stack.execution_role, *stack.rules.allowed.execution_roles):
        answer = ask(stack.clients.iam.get_role, RoleName=arn.rpartition("/")[2])
        if answer.problem == "absent":
            own = arn == stack.execution_role
            yield broken(
                arn,
                "there is no such role.",
                "Deploy the stack." if own else "Create it, or take it out of allowed.execution_roles.",
            )
        elif answer.problem:
            yield unreadable(arn, answer, "iam:GetRole")
        elif answer.data["Role"]["Arn"] != arn:
            yield broken(
                arn, f"{answer.data['Role']['Arn']} has its name.", "Correct the path in the settings."
            )
        elif not trusts_sagemaker(answer.data["Role"].get("AssumeRolePolicyDocument")):
            yield broken(
                arn,
                "it does not let SageMaker assume it.",
                "Add sts:AssumeRole for sagemaker.amazonaws.com to its trust policy.",
            )
        else:
            yield ok(arn, "SageMaker may assume it.")


def function_roles(stack: Stack) -> Iterator[Diagnosis]:
    """The role of every function, by what the function itself says its role is."""
    seen = 0
    for verb in names.FUNCTIONS:
        function = names.function_name(stack.name, verb)
        answer = ask(stack.clients.lambda_.get_function_configuration, FunctionName=function)
        if answer.problem:
            # Whether a function is there is another check's question.
            continue
        arn = str(answer.data["Role"])
        role = ask(stack.clients.iam.get_role, RoleName=arn.rpartition("/")[2])
        if role.problem == "absent":
            yield broken(arn, f"the role of {function} is gone.", "Deploy the stack again.")
        elif role.problem:
            yield unreadable(arn, role, "iam:GetRole")
            return
        elif not _trusts(role.data["Role"].get("AssumeRolePolicyDocument"), _LAMBDA):
            yield broken(arn, f"Lambda may not assume the role of {function}.", "Deploy the stack again.")
        else:
            seen += 1
    if seen:
        yield ok("roles of functions", f"Lambda may assume {seen}.")


def _trusts(document: Any, service: str) -> bool:
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    principals = [
        statement.get("Principal", {}).get("Service", [])
        for statement in statements
        if statement.get("Effect") == "Allow" and isinstance(statement.get("Principal"), dict)
    ]
    return any(service in ([named] if isinstance(named, str) else named) for named in principals)
