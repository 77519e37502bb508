"""A reward that pays for wrong answers ends the run before anything is made, with the table of why."""

from typing import Any

from tests.certify.support import products
from tests.local.laptop import Laptop, jsonl


def request(laptop: Laptop, name: str, reward: dict[str, Any]) -> str:
    return laptop.request(
        name, products(300), technique="RLVR", reward=reward, hyperparameters={"max_epochs": 1}
    )


def test_a_reward_that_is_not_certified_ends_the_run_before_a_job_exists(laptop: Laptop) -> None:
    jobs, groups = laptop.jobs(), laptop.groups()
    # Half of a short answer is similar to it, and earns half of the reward.
    answer = laptop("run", request(laptop, "uncertified", {"function": "text_similarity"}), "--local", code=1)
    assert "RewardNotCertified" in answer.stdout, answer.stdout
    assert "two answers, right one first" in answer.stdout
    run_id = next(line.split()[1] for line in answer.stdout.splitlines() if line.startswith("run "))
    assert laptop.states(run_id)[-3:] == ["CleanUp", "NotifyFailure", "Failed"]
    report = laptop.run_file(run_id, "reward.json")
    assert report["ok"] is False
    assert report["examples"]
    assert (laptop.jobs(), laptop.groups()) == (jobs, groups)


def test_a_deployed_reward_is_tried_by_name_and_arn_and_nothing_else_is(laptop: Laptop) -> None:
    laptop.file("products.jsonl", jsonl(products(20)))
    asked = ("reward", "test", "math_answer", "--data", "products.jsonl", "--local")
    found = laptop.json(*asked)
    assert found["ok"] is True
    assert found["code_sha256"]
    again = laptop.json("reward", "test", found["arn"], "--data", "products.jsonl", "--local")
    assert again["code_sha256"] == found["code_sha256"]
    name = found["arn"].rpartition(":")[2]
    named = laptop.json("reward", "test", name, "--data", "products.jsonl", "--local")
    assert named["code_sha256"] == found["code_sha256"]
    for name in (found["arn"].rpartition(":")[0] + ":tunestep-decide", "tunestep-decide", "no_such_reward"):
        laptop("reward", "test", name, "--data", "products.jsonl", "--local", code=2)
