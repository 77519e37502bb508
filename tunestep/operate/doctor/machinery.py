"""What was deployed: functions, machine, rules, tables, bucket, dead letters and alarms."""

from collections.abc import Iterator

from tunestep import names
from tunestep.checks.calls import ask
from tunestep.operate.doctor.diagnosis import Diagnosis, broken, ok, skipped, unreadable, unseen, warning
from tunestep.operate.stack import Stack

RULES = ("TrainingEnded", "JobOutlivedItsRun", "RunBegan", "RunEndedBadly", "EveryFiveMinutes")
"""Rules without which runs wait longer or are not cleaned up, by their ids in infra/triggers.py."""

SOURCE_RULES = {"s3_requests": "RequestFiles", "presets": "Datasets"}
"""Rules of what starts runs by itself, by the switch in the settings; ids in infra/requests.py."""

_DEPLOY = "Deploy the stack: tunestep deploy"


def functions(stack: Stack) -> Iterator[Diagnosis]:
    """Every function is there and can be called."""
    there = 0
    for function in stack.functions:
        answer = ask(stack.clients.lambda_.get_function_configuration, FunctionName=function)
        state = answer.data.get("State", "Active")
        if answer.problem == "absent":
            yield broken(function, "there is no such function.", _DEPLOY)
            if not there:
                # The stack is not there at all: one line says it.
                return
        elif answer.problem:
            yield unreadable(function, answer, "lambda:GetFunctionConfiguration")
            return
        elif state not in ("Active", "Inactive"):
            reason = answer.data.get("StateReason") or "no reason given"
            yield broken(function, f"it is {state}: {reason}", "Deploy again; if it stays, look at its role.")
        else:
            there += 1
    yield ok("functions", f"{there} can be called.")


def machine(stack: Stack) -> Iterator[Diagnosis]:
    """The state machine takes executions."""
    answer = ask(stack.clients.stepfunctions.describe_state_machine, stateMachineArn=stack.machine)
    if answer.problem == "absent" or "StateMachineDoesNotExist" in answer.message:
        yield broken(stack.machine, "there is no such state machine.", _DEPLOY)
    elif answer.problem:
        yield unreadable(stack.machine, answer, "states:DescribeStateMachine")
    elif answer.data.get("status") != "ACTIVE":
        yield broken(stack.machine, f"it is {answer.data.get('status')}.", _DEPLOY)
    else:
        yield ok(stack.machine, "takes executions.")


def rules(stack: Stack) -> Iterator[Diagnosis]:
    """The rules that wake, clean up and start are there and switched on."""
    answer = ask(stack.clients.other("events").list_rules, NamePrefix=f"{stack.name}-")
    if answer.problem:
        yield unreadable("rules", answer, "events:ListRules")
        return
    sources = stack.rules.sources
    wanted = [f"Triggers{rule}" for rule in RULES]
    wanted += [f"Requests{rule}" for switch, rule in SOURCE_RULES.items() if getattr(sources, switch).enabled]
    states = {
        str(rule["Name"]).removeprefix(f"{stack.name}-"): rule.get("State")
        for rule in answer.data.get("Rules", [])
    }
    for name in wanted:
        found = [state for full, state in states.items() if full.startswith(name)]
        if not found:
            yield broken(f"rule {name}", "it is not there.", _DEPLOY)
        elif "ENABLED" not in found:
            yield broken(f"rule {name}", f"it is {found[0]}.", "Switch it on in the EventBridge console.")
    if all(any(full.startswith(name) for full in states) for name in wanted):
        yield ok("rules", f"{len(wanted)} are there.")


def storage(stack: Stack) -> Iterator[Diagnosis]:
    """Both tables and the bucket are there; tables can be restored to a point in time."""
    dynamodb = stack.clients.dynamodb
    for table in (names.table_name(stack.name), names.evidence_table_name(stack.name)):
        answer = ask(dynamodb.describe_table, TableName=table)
        if fault := unseen(table, answer, kind="table", fix=_DEPLOY, action="dynamodb:DescribeTable"):
            yield fault
        elif stack.laptop:
            yield ok(table, "is there.")
        else:
            yield _restorable(stack, table)
    answer = ask(stack.clients.s3.head_bucket, Bucket=stack.bucket)
    fault = unseen(stack.bucket, answer, kind="bucket", fix=_DEPLOY, action="s3:ListBucket")
    yield fault or ok(stack.bucket, "is there.")


def _restorable(stack: Stack, table: str) -> Diagnosis:
    answer = ask(stack.clients.dynamodb.describe_continuous_backups, TableName=table)
    if answer.problem:
        return unreadable(table, answer, "dynamodb:DescribeContinuousBackups")
    found = answer.data["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if found.get("PointInTimeRecoveryStatus") != "ENABLED":
        return warning(table, "it cannot be restored to a point in time.", _DEPLOY)
    return ok(table, "is there and can be restored.")


def dead_letters(stack: Stack) -> Iterator[Diagnosis]:
    """The queue of events that nobody dealt with is empty."""
    sqs = stack.clients.other("sqs")
    answer = ask(sqs.list_queues, QueueNamePrefix=f"{stack.name}-Undelivered")
    if answer.problem:
        yield unreadable("dead letters", answer, "sqs:ListQueues")
        return
    urls = answer.data.get("QueueUrls", [])
    if not urls:
        yield broken("dead letters", "there is no queue for them.", _DEPLOY)
    for url in urls:
        counted = ask(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        if counted.problem:
            yield unreadable(url, counted, "sqs:GetQueueAttributes")
            continue
        count = int(counted.data.get("Attributes", {}).get("ApproximateNumberOfMessages", 0))
        if count:
            yield broken(
                url,
                f"{count} events were not dealt with.",
                "docs/operations.md, STACK-undelivered, says how to read and clear them.",
            )
        else:
            yield ok(url, "is empty.")


def alarms(stack: Stack) -> Iterator[Diagnosis]:
    """Alarms are there, and none has gone off."""
    if stack.laptop:
        yield skipped("alarms", "a laptop has none; `tunestep runs --status failed` says what failed.")
        return
    answer = ask(
        stack.clients.other("cloudwatch").describe_alarms, AlarmNamePrefix=f"{stack.name}-", MaxRecords=100
    )
    if answer.problem:
        yield unreadable("alarms", answer, "cloudwatch:DescribeAlarms")
        return
    found = answer.data.get("MetricAlarms", [])
    if not found:
        yield broken("alarms", "there are none.", _DEPLOY)
        return
    ringing = [alarm["AlarmName"] for alarm in found if alarm.get("StateValue") == "ALARM"]
    for name in ringing:
        section = "STACK-" + name.removeprefix(f"{stack.name}-")
        yield warning(name, "it has gone off.", f"docs/operations.md, {section}, says what it is for.")
    if not ringing:
        yield ok("alarms", f"{len(found)} are quiet.")
