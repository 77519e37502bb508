"""Checks that make something small for a moment: an object, a plan, an evaluator, a group."""

import json
from typing import Any

from botocore.exceptions import ClientError

from tunestep import evaluators, names
from tunestep.aws import error_code
from tunestep.errors import TunestepError
from tunestep.evaluators import Content, Wanted
from tunestep.operate.probe.trial import Outcome, Trial, confirmed, not_tried, refuted

ROWS = 32
REWARD = "exact_match"


def request(trial: Trial, technique: str = "SFT") -> dict[str, Any]:
    """The tiny request of the paid checks, with limits that the stack enforces."""
    limits: dict[str, Any] = {"max_runtime": "1h", "max_tokens": 1_000_000}
    if cap := trial.known.get("cap_per_run"):
        limits["max_cost_usd"] = cap
    made: dict[str, Any] = {
        "use_case": f"Tunestep {trial.mark} {technique}",
        "technique": technique,
        "base_model": trial.model,
        "training_data": data_uri(trial, technique),
        "hyperparameters": {"max_epochs": 1},
        "model_package_group": f"tunestep-{trial.mark}",
        "limits": limits,
    }
    if technique == "RLVR":
        made["reward"] = {"function": REWARD}
    return made


def data_uri(trial: Trial, technique: str) -> str:
    return f"s3://{trial.stack.bucket}/{names.PREFIX_DATA}{trial.mark}/{technique.lower()}.jsonl"


def rows(technique: str) -> str:
    sums = [(n, n + 1, 2 * n + 1) for n in range(ROWS)]
    made: list[dict[str, Any]]
    if technique == "SFT":
        made = [{"prompt": f"{a} plus {b}?", "completion": str(c)} for a, b, c in sums]
    else:
        made = [
            {
                "data_source": "tunestep/probe",
                "prompt": [{"role": "user", "content": f"{a} plus {b}? Answer with the number alone."}],
                "ability": "math",
                "reward_model": {"style": "rule", "ground_truth": str(c)},
                "extra_info": {"split": "train", "index": a},
            }
            for a, b, c in sums
        ]
    return "".join(json.dumps(row) + "\n" for row in made)


def upload(trial: Trial, technique: str) -> None:
    """The rows of the tiny request; every version of them is removed in the end."""
    bucket, _, key = data_uri(trial, technique).removeprefix("s3://").partition("/")
    s3 = trial.clients.s3
    trial.undo_later(f"remove {key}", lambda: remove_object(s3, bucket, key))
    s3.put_object(Bucket=bucket, Key=key, Body=rows(technique).encode())


def remove_object(s3: Any, bucket: str, key: str) -> None:
    listed = s3.list_object_versions(Bucket=bucket, Prefix=key)
    for one in (*listed.get("Versions", []), *listed.get("DeleteMarkers", [])):
        if one["Key"] == key:
            s3.delete_object(Bucket=bucket, Key=key, VersionId=one["VersionId"])


def written_once(trial: Trial) -> Outcome:
    """A second write with If-None-Match is refused, which evidence rests on."""
    s3, key = trial.clients.s3, f"{names.PREFIX_DATA}{trial.mark}/once"
    place = {"Bucket": trial.stack.bucket, "Key": key, "Body": b"1"}
    trial.undo_later(f"remove {key}", lambda: remove_object(s3, trial.stack.bucket, key))
    s3.put_object(**place, IfNoneMatch="*")
    try:
        s3.put_object(**place, IfNoneMatch="*")
    except ClientError as fault:
        code = error_code(fault)
        return confirmed(f"the second write is refused: {code}") if "Precondition" in code else refuted(code)
    return refuted("the second write went through")


def reward_answers(trial: Trial) -> Outcome:
    """A deployed reward answers a batch in both contracts as the SDK's verifier wants it."""
    if REWARD not in trial.stack.rewards:
        return not_tried(f"the stack deploys no reward {REWARD}")
    sample = {
        "id": "a",
        "messages": [{"role": "user", "content": "2 plus 2?"}, {"role": "assistant", "content": "4"}],
        "reference_answer": "4",
    }
    for contract in names.REWARD_CONTRACTS:
        function = names.reward_function_name(trial.stack.name, REWARD, contract)
        answer = trial.clients.lambda_.invoke(FunctionName=function, Payload=json.dumps([sample]).encode())
        body = json.loads(answer["Payload"].read())
        results = body if contract == "nova" else json.loads(body.get("body", "null"))
        if not isinstance(results, list) or results[0].get("aggregate_reward_score") != 1.0:
            return refuted(f"{function} answers {json.dumps(body)[:300]}")
    return confirmed(f"{' and '.join(names.REWARD_CONTRACTS)}: the right answer scores 1")


def plan(trial: Trial) -> Outcome:
    """The deployed function plans the tiny request: every look-up goes through under its role."""
    upload(trial, "SFT")
    event = {"document": {"request": request(trial)}, "dry_run": True, "uploads": []}
    body, failed = trial.call("validate", json.dumps(event).encode())
    answer = json.loads(body)
    if failed or answer.get("error"):
        return refuted(f"the function failed: {json.dumps(answer)[:400]}")
    errors = [f"{one['code']}: {one['message']}" for one in answer["findings"] if one["severity"] == "error"]
    if errors:
        return refuted("; ".join(errors)[:400])
    blind = [one["code"] for one in answer["findings"] if one["code"].endswith("_NOT_CHECKED")]
    if blind:
        return refuted(f"not allowed to look: {', '.join(blind)}")
    trial.known["plan"] = answer["plan"]
    return confirmed(f"planned with recipe {answer['plan']['recipe']['name']}, and nothing was refused")


def evaluator(trial: Trial) -> Outcome:
    """A reward is imported into the registry hub, becomes Available, and keeps its document."""
    stack = trial.stack
    if REWARD not in stack.rewards:
        return not_tried(f"the stack deploys no reward {REWARD}")
    function = names.reward_function_name(stack.name, REWARD)
    arn = f"arn:{stack.partition}:lambda:{stack.region}:{stack.account}:function:{function}"
    wanted = Wanted(f"tunestep-{trial.mark}", Content(arn, evaluators.FUNCTION))
    sagemaker, hub = trial.clients.sagemaker, names.registry_hub_name(stack.region, stack.account)
    place = {
        "HubName": hub,
        "HubContentType": "JsonDoc",
        "HubContentName": wanted.name,
        "HubContentVersion": "1.0.0",
    }
    trial.undo_later(f"delete evaluator {wanted.name}", lambda: sagemaker.delete_hub_content(**place))
    try:
        made = evaluators.register(
            sagemaker, wanted, region=stack.region, account=stack.account, sleep=trial.sleep
        )
    except TunestepError as fault:
        return refuted(str(fault))
    found = sagemaker.describe_hub_content(**place)
    if evaluators.read(found.get("HubContentDocument", "")) != wanted.content:
        return refuted("the document that comes back is another")
    return confirmed(f"version {made.version} is {found['HubContentStatus']}, its document as it was sent")


def group(trial: Trial) -> Outcome:
    """A model package group can be made and is found at once."""
    sagemaker, name = trial.clients.sagemaker, f"tunestep-{trial.mark}-group"
    trial.undo_later(
        f"delete group {name}", lambda: sagemaker.delete_model_package_group(ModelPackageGroupName=name)
    )
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    status = sagemaker.describe_model_package_group(ModelPackageGroupName=name)["ModelPackageGroupStatus"]
    return confirmed("it is Completed at once") if status == "Completed" else refuted(f"it is {status}")
