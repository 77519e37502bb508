"""``tunestep render`` on requests and runs, and what it says when there is nothing to render."""

import ast
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.local.laptop import LLAMA, Laptop


def rendered(laptop: Laptop, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = laptop.json("render", *arguments, "--local")
    return found


def read(laptop: Laptop, path: str) -> str:
    return (laptop.work / path).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_run_is_rendered_as_it_was_stored_beside_its_record(laptop: Laptop) -> None:
    run_id = laptop.json("run", laptop.request("render-run"), "--local")["run_id"]
    found = rendered(laptop, run_id, "--notebook", "--script", "-o", "of-run")
    assert Path(found["script"]).name == "01_test_render_run_v1.py"
    assert Path(found["metrics"]).name == "02_test_render_run_v1_metrics.py"
    for kind, name in (
        ("notebook", "notebook.ipynb"),
        ("script", "01_fine_tuning.py"),
        ("metrics", "02_metrics.py"),
    ):
        stored = laptop.client("s3").get_object(Bucket=laptop.bucket, Key=f"runs/{run_id}/{name}")
        assert read(laptop, found[kind]) == stored["Body"].read().decode()
    files = laptop.run_file(run_id, "record.json")["files"]
    assert files["notebook"] == f"s3://{laptop.bucket}/runs/{run_id}/notebook.ipynb"
    laptop("results", run_id, "--local")
    assert (laptop.home / "runs" / run_id / "01_fine_tuning.py").is_file()

    again = rendered(laptop, run_id, "--script", "--no-wait", "-o", "of-run")
    assert Path(again["script"]).name == "03_test_render_run_v1.py"
    assert "train(wait=False)" in read(laptop, again["script"])


def test_a_request_is_rendered_without_starting_or_uploading_anything(laptop: Laptop) -> None:
    jobs, request = laptop.jobs(), laptop.request("render-request", [{"prompt": "new?", "completion": "yes"}])
    found = rendered(laptop, request, "--script", "-o", "of-request")
    ast.parse(read(laptop, found["script"]))
    ((path, uri),) = found["not_uploaded"].items()
    assert path == "render-request.jsonl"
    assert f"TRAINING_DATA = {uri!r}" in read(laptop, found["script"])
    assert laptop.jobs() == jobs
    said = laptop("render", request, "--local", "--script", "-o", "of-request").stdout
    assert f"aws s3 cp {path}" in said


@pytest.mark.slow
def test_a_gated_run_is_rendered_with_the_licence_accepted_only_once_it_is(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.request("render-gated", base_model=LLAMA, approval={"require": "always"}))
    laptop.waits_in(run_id, "AwaitApproval")
    before = rendered(laptop, run_id, "--script", "-o", "gated")
    assert "ACCEPT_EULA = False\n" in read(laptop, before["script"])
    laptop("approve", run_id, "--local")
    laptop.ended(run_id)
    after = rendered(laptop, run_id, "--script", "-o", "gated")
    assert "ACCEPT_EULA = True\n" in read(laptop, after["script"])
    assert "# - Accepted: by tester, at 2" in read(laptop, after["script"])
    sent = laptop.run_file(run_id, "create_training_job.json")["ServerlessJobConfig"]
    assert sent["AcceptEula"] is True, "the rendering says what the job was sent"


@pytest.mark.slow
def test_a_run_that_failed_keeps_its_rendering_too(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.request("render-declined", approval={"require": "always"}))
    laptop.waits_in(run_id, "AwaitApproval")
    laptop("decline", run_id, "--reason", "no", "--local")
    laptop.ended(run_id)
    files = laptop.run_file(run_id, "record.json")["files"]
    assert {"notebook", "script", "metrics_script"} <= set(files)
    laptop.client("s3").get_object(Bucket=laptop.bucket, Key=f"runs/{run_id}/notebook.ipynb")


@pytest.mark.slow
def test_cells_go_into_a_notebook_that_is_there(laptop: Laptop) -> None:
    request = laptop.request("render-append")
    first = rendered(laptop, request, "--notebook", "-o", "append")
    count = len(json.loads(read(laptop, first["notebook"]))["cells"])
    laptop("render", request, "--local", "--notebook", "-o", "append", code=2)
    found = rendered(laptop, request, "--append", first["notebook"])
    assert found["notebook"] == first["notebook"]
    assert Path(found["metrics"]).name == "02_test_render_append_v1_metrics.py"
    notebook = nbformat.reads(read(laptop, found["notebook"]), as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert len(notebook.cells) == 2 * count
    assert notebook.cells[count].source.startswith("## ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("no-such-run", "--script"), "there is no run 'no-such-run'"),
        (("no-such-file.json", "--script"), "there is no request file no-such-file.json"),
        (("render-refused.json",), "--notebook, --script or both"),
        (
            ("render-refused.json", "--append", "notes.txt"),
            "nothing was added to notes.txt: it is not a notebook",
        ),
        (("render-refused.json", "--append", "none.ipynb"), "nothing was added to none.ipynb"),
        (("render-wrong.json", "--script"), "cannot be run"),
        (("render-refused.json", "--script", "-o", "notes.txt"), "cannot be written"),
    ],
)
def test_what_cannot_be_rendered_is_one_clear_message(
    arguments: tuple[str, ...], says: str, laptop: Laptop
) -> None:
    laptop.request("render-refused")
    laptop.request("render-wrong", hyperparameters={"max_epochs": -1})
    laptop.file("notes.txt", "only notes\n")
    before = sorted(path.name for path in laptop.work.iterdir())
    refused = laptop("render", *arguments, "--local", code=2)
    assert says in " ".join(refused.stderr.split())
    assert sorted(path.name for path in laptop.work.iterdir()) == before
    assert read(laptop, "notes.txt") == "only notes\n"


@pytest.mark.slow
def test_a_run_that_never_had_a_plan_says_so(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.request("render-no-plan", hyperparameters={"max_epochs": -1}))
    laptop.ended(run_id)
    refused = laptop("render", run_id, "--local", "--script", code=1)
    assert "has no plan to render" in refused.stderr
