import ast
import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.gate.hostile import HOSTILE as GATE_HOSTILE
from tests.support.cases import load_cases, load_world, plan_of
from tests.support.records import HOSTILE as RECORD_HOSTILE
from tunestep import metric_series, notebooks
from tunestep.notebooks import template
from tunestep.notebooks.filling import fill, markdown
from tunestep.notebooks.values import Facts
from tunestep.plan_model import DataPlan, Plan, RewardPlan
from tunestep.record_model import RunRecord
from tunestep.text import encodable

REPOSITORY = Path(__file__).parents[2]
CASES = {case["name"]: case for case in load_cases()}
WORLD = load_world()
FACTS = Facts(origin="request.json")
FUNCTION = "arn:aws:lambda:us-west-2:111122223333:function:tunestep-SageMaker-reward-x"
TEMPLATES = ("sft", "dpo", "rlvr", "rlaif_builtin", "rlaif_custom_prompt", "continue")
SECTIONS = (
    "Setup & Credentials",
    "Create Model Package Group",
    "Configure Trainer",
    "Hyperparameter Overrides",
    "Start Training",
    "Training Status",
    "Model Package",
    "Metrics per Epoch",
)
HOSTILE = (
    '"',
    "'''",
    '"""',
    "\\",
    "\n# %% another cell\n",
    "\n# Cell 3: another section\n",
    "x  # NOTEBOOK_ONLY",
    "x  # ONLY_IF NOTHING",
    "x  # NOTEBOOK_ONLY_SECTION",
    "'; import os; os.system('id') #",
    "[ROLE_ARN]",
    '"[ROLE_ARN]"',
    "{0.__class__}",
    "%pip install x",
    "\n!id\n",
    "<script>alert(1)</script>",
    "![x](https://evil.example/x.png) [y](javascript:alert(1))",
    "\r\n\x0b\x0c\x1c\x85\u2028\u2029",
    "\x00\x1b[31m\u202e",
    "\ud800",
    "日本語",
)
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1), st.text("\"'\\\n#%[] ", min_size=1))


def plan(name: str = "sft_oss_minimal_defaults", **changes: Any) -> Plan:
    return msgspec.structs.replace(plan_of(CASES[name], WORLD), **changes)


def all_plans() -> dict[str, Plan]:
    """A plan for each template; rewards as the planner completes them."""
    builtin = RewardPlan(
        kind="preset", value="summarize", judge_model="j", judge_prompt_template="/opt/x/summarize.jinja"
    )
    own = RewardPlan(kind="prompt", value="p", judge_model="j", reference="s3://bucket/own.jinja")
    function = RewardPlan(kind="function", value="x", function_arn=FUNCTION, reference=FUNCTION)
    return {
        "sft": plan("sft_everything"),
        "dpo": plan("dpo_qwen_validation"),
        "rlvr": plan("rlvr_qwen_preset", reward=function),
        "rlaif_builtin": plan("rlaif_qwen_cot", reward=builtin),
        "rlaif_custom_prompt": plan("rlaif_qwen_custom_prompt", reward=own),
        "continue": plan("sft_continued_ungated"),
    }


def code_of(notebook: str) -> str:
    cells = [cell for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["metadata"]["name"] != PIP)


PIP = "Install Dependencies"


def shape(code: str) -> str:
    """The syntax tree without its constants."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value, node.kind = 0, None
    return ast.dump(tree)


def outline(notebook: str) -> list[tuple[str, str, str]]:
    document = json.loads(notebook)
    return [(cell["cell_type"], cell["id"], cell["metadata"]["name"]) for cell in document["cells"]]


def cell(notebook: str, name: str) -> str:
    found = next(cell for cell in json.loads(notebook)["cells"] if cell["metadata"]["name"] == name)
    return "".join(found["source"])


# What a rendering holds


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_template_is_chosen_and_rendered_with_the_sections_of_a_run(name: str) -> None:
    made = all_plans()[name]
    names = [found for _, _, found in outline(notebooks.notebook(made, FACTS))]
    assert notebooks.template_of(made) == name
    assert [found for found in names if found in SECTIONS] == list(SECTIONS)
    assert names[-1] == "Plot Metrics"


def test_values_are_the_plan_s() -> None:
    made = plan("sft_everything")
    setup = cell(notebooks.notebook(made, FACTS), "Setup & Credentials")
    for value in (
        made.model.name,
        made.group.name,
        made.training_data.uri,
        made.output_uri,
        made.execution_role_arn,
        made.mlflow.app_arn if made.mlflow else "",
        made.region,
    ):
        assert f"{value!r}\n" in f"{setup}\n"


def test_an_evaluator_that_the_run_registered_is_used_and_not_registered_again() -> None:
    made = all_plans()["rlvr"]
    arn = "arn:aws:sagemaker:us-west-2:111122223333:hub-content/HUB/JsonDoc/x/2.0.0"
    fresh = notebooks.script(made, FACTS)
    ran = notebooks.script(made, Facts(origin="run r", evaluator_arn=arn))
    assert "Evaluator.create(" in fresh
    assert f"source={FUNCTION!r}" in fresh
    assert "Evaluator.create(" not in ran
    assert f"CUSTOM_REWARD_FUNCTION = {arn!r}" in ran


@pytest.mark.parametrize(
    ("name", "label"),
    [("rlvr", "Register Reward Function"), ("rlaif_custom_prompt", "Register Custom Reward Prompt")],
)
def test_a_reward_is_registered_before_the_group_is_made(name: str, label: str) -> None:
    names = [found for _, _, found in outline(notebooks.notebook(all_plans()[name], FACTS))]
    begun = names.index("Setup & Credentials")
    assert names[begun + 1 : begun + 4] == [label, "Create Model Package Group", "Configure Trainer"]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("rlaif_builtin", {"REWARD_MODEL_ID = 'j'", "REWARD_PROMPT_VALUE = 'Builtin.summarize'"}),
        ("rlaif_custom_prompt", {"REWARD_MODEL_ID = 'j'", "REWARD_PROMPT_ARN = 'arn:own'"}),
        ("rlvr", {"CUSTOM_REWARD_FUNCTION = 'arn:own'"}),
    ],
)
def test_judge_prompt_and_reward_stand_with_the_other_values(name: str, lines: set[str]) -> None:
    text = notebooks.notebook(all_plans()[name], Facts(origin="run r", evaluator_arn="arn:own"))
    assert lines <= set(cell(text, "Setup & Credentials").splitlines())
    configured = cell(text, "Configure Trainer")
    for line in lines:
        variable, _, value = line.partition(" = ")
        assert f"={variable}," in configured and value not in configured


@pytest.mark.parametrize(
    ("name", "needed", "accepted", "line"),
    [
        ("sft_oss_minimal_defaults", False, False, None),
        ("sft_oss_minimal_defaults", True, True, None),
        ("sft_oss_lora_s3", True, False, "ACCEPT_EULA = False"),
        ("sft_oss_lora_s3", False, True, "ACCEPT_EULA = False"),
        ("sft_oss_lora_s3", True, True, "ACCEPT_EULA = True"),
        ("sft_continued_full", True, False, "ACCEPT_EULA = False"),
    ],
)
def test_a_licence_is_accepted_only_where_the_model_is_gated_and_this_run_s_decision_says_so(
    name: str, needed: bool, accepted: bool, line: str | None
) -> None:
    made = plan(name)
    made = msgspec.structs.replace(made, approval=msgspec.structs.replace(made.approval, needed=needed))
    text = notebooks.script(made, Facts(origin="x", accepted=accepted))
    found = [found for found in text.splitlines() if found.startswith("ACCEPT_EULA")]
    assert found == ([line] if line else [])
    assert ("accept_eula=ACCEPT_EULA," in text) is bool(line)


def test_going_on_from_a_gated_model_stops_before_the_sdk_accepts_for_anybody() -> None:
    text = notebooks.script(plan("sft_continued_full"), FACTS)
    assert "assert ACCEPT_EULA, " in text
    assert text.index("assert ACCEPT_EULA") < text.index("trainer = SFTTrainer(")
    assert "assert" not in notebooks.script(plan("sft_oss_lora_s3"), FACTS)


@pytest.mark.parametrize(
    ("document", "accepted"),
    [
        ({}, False),
        ({"approval": "APPROVED"}, False),
        ({"approval": None}, False),
        ({"approval": {"decision": "DECLINED"}}, False),
        ({"approval": {"decision": "EXPIRED"}}, False),
        ({"approval": {"decision": "APPROVED"}}, True),
    ],
)
def test_only_an_approval_in_the_run_s_own_document_or_record_accepts(
    document: dict[str, Any], accepted: bool
) -> None:
    assert notebooks.facts_of_run("r", document).accepted is accepted
    decision = document.get("approval")
    state = {"state": decision["decision"]} if isinstance(decision, dict) else None
    record = RunRecord(
        run_id="r", execution_arn="", stack="", region="", account="", outcome="FAILED", approval=state
    )
    assert notebooks.facts_of_record(record).accepted is accepted


def test_an_accepted_licence_is_rendered_with_who_accepted_it_and_the_evidence() -> None:
    made = plan("sft_oss_lora_s3")
    made = msgspec.structs.replace(made, approval=msgspec.structs.replace(made.approval, needed=True))
    said = {
        "actor": "ann",
        "decided_at": "2026-11-01T08:00:00Z",
        "evidence": "e-77",
        "decided_in_run": "old-1",
    }
    facts = notebooks.facts_of_run("r", {"approval": {"decision": "APPROVED", **said}})
    record = RunRecord(
        run_id="r",
        execution_arn="",
        stack="",
        region="",
        account="",
        outcome="SUCCEEDED",
        approval={"state": "APPROVED", **said},
    )
    assert notebooks.facts_of_record(record) == facts
    text = notebooks.script(made, facts)
    assert "ACCEPT_EULA = True" in text
    assert "# - Accepted: by ann, at 2026-11-01T08:00:00Z, evidence e-77" in text
    assert "Accepted" not in notebooks.script(plan("sft_oss_lora_s3"), facts), "this plan asked nobody"
    assert "Accepted" not in notebooks.script(made, Facts(origin="x"))


@pytest.mark.parametrize("name", ["sft_nova_lora", "rlvr_nova_full", "sft_river_defaults", "dpo_nova_micro"])
def test_hyperparameters_are_those_of_the_recipe_and_the_request_s_own_are_set(name: str) -> None:
    made, own = plan(name), CASES[name]["inputs"].get("hyperparameters", {})
    text = cell(notebooks.notebook(made, Facts(origin="x", hyperparameters=own)), "Hyperparameter Overrides")
    lines = re.findall(r"^(# )?trainer\.hyperparameters\.(\w+) = (.+)$", text, re.MULTILINE)
    assert {found for _, found, _ in lines} == set(made.hyperparameters) | set(own)
    assert {found: ast.literal_eval(value) for mark, found, value in lines if not mark} == own
    assert {found: str(ast.literal_eval(value)) for mark, found, value in lines if mark} == {
        key: value for key, value in made.hyperparameters.items() if key not in own
    }


def test_the_nova_recipe_without_epochs_gets_no_line_for_them() -> None:
    assert "max_epochs" not in notebooks.script(plan("sft_nova_lora"), FACTS)


@pytest.mark.parametrize("key", ["not-a-name", "class", "_specs", "x = 1\nimport os"])
def test_a_hyperparameter_s_name_is_no_code(key: str) -> None:
    text = notebooks.script(plan(), Facts(origin="x", hyperparameters={key: 1, "dropped": None}))
    assert f"setattr(trainer.hyperparameters, {key!r}, 1)" in text
    assert "trainer.hyperparameters._specs.pop('dropped', None)" in text


def test_waiting_is_asked_for_or_not() -> None:
    assert "trainer.train(wait=True)" in notebooks.script(plan(), FACTS)
    assert "trainer.train(wait=False)" in notebooks.script(plan(), Facts(origin="x", wait=False))


@pytest.mark.parametrize(
    ("uri", "kind", "skips"),
    [
        ("s3://b/rows.jsonl", "object", False),
        ("s3://b/rows.parquet", "object", True),
        ("s3://b/folder/", "prefix", True),
        ("arn:aws:sagemaker:us-west-2:1:hub-content/H/DataSet/d/1.0.0", "dataset", True),
    ],
)
def test_the_sdk_s_own_try_of_a_reward_is_left_out_where_it_cannot_read_the_rows(
    uri: str, kind: Any, skips: bool
) -> None:
    made = msgspec.structs.replace(all_plans()["rlvr"], training_data=DataPlan(uri=uri, kind=kind))
    assert ("skip_reward_validation=True" in notebooks.script(made, FACTS)) is skips


def test_the_metrics_script_knows_the_run_s_job_or_asks_for_one() -> None:
    job = "a-job-20260101000000"
    asks = notebooks.metrics_script(plan(), FACTS)
    knows = notebooks.metrics_script(plan(), Facts(origin="x", job_name=job))
    assert "TRAINING_JOB_NAME = sys.argv[1]\n" in asks
    assert f"else {job!r}\n" in knows
    assert f"METRICS = {list(metric_series.PRIMARY['SFT'])!r}" in asks


def test_a_script_has_a_docstring_and_cells_and_no_notebook_commands() -> None:
    text = notebooks.script(plan(), FACTS)
    assert (ast.get_docstring(ast.parse(text)) or "").endswith(f"pip install {notebooks.SDK}")
    assert re.findall(r"^# %% (.+)$", text, re.MULTILINE) == list(SECTIONS)
    assert "%pip" not in text
    assert "matplotlib" not in text


def test_the_pinned_sdk_is_the_one_of_make_test_sdk() -> None:
    pinned = (REPOSITORY / "requirements" / "sdk.in").read_text(encoding="utf-8").splitlines()
    assert notebooks.SDK in pinned
    for name in TEMPLATES:
        text = (template.FOLDER / f"{name}.py").read_text(encoding="utf-8")
        assert f"\n%pip install --quiet {notebooks.SDK}  # NOTEBOOK_ONLY\n" in text


def test_sections_that_mean_the_same_are_the_same_in_every_template() -> None:
    shared = {"Create Model Package Group", *SECTIONS[3:], "Plot Metrics"}
    first, *others = (template.load(name).sections for name in TEMPLATES)
    wanted = [section for section in first if section.label in shared]
    assert len(wanted) == len(shared)
    for sections in others:
        assert [section for section in sections if section.label in shared] == wanted


@pytest.mark.parametrize("form", ["notebook", "script", "metrics"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_is_imported_or_made_that_is_not_used_and_nothing_used_before(
    name: str, form: str, tmp_path: Path
) -> None:
    made = all_plans()[name]
    text = {
        "notebook": lambda: code_of(notebooks.notebook(made, FACTS)),
        "script": lambda: notebooks.script(made, FACTS),
        "metrics": lambda: notebooks.metrics_script(made, FACTS),
    }[form]()
    (tmp_path / "made.py").write_text(text, encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E9,F", "made.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


# Values are only ever values


def hostile(made: Plan, texts: Callable[[], str]) -> Plan:
    """The plan with every text that somebody else may choose replaced."""
    changed: dict[str, Any] = {
        "use_case": texts(),
        "region": texts(),
        "execution_role_arn": texts(),
        "output_uri": texts(),
        "base_job_name": f"a{texts()}a",
        "model": msgspec.structs.replace(made.model, name=texts()),
        "group": msgspec.structs.replace(made.group, name=texts()),
        "licence": msgspec.structs.replace(made.licence, statement=texts()),
        "training_data": msgspec.structs.replace(made.training_data, uri=f"{texts()}.jsonl"),
        "tags": {f"{number}{texts()}": texts() for number, _ in enumerate(made.tags)},
        "hyperparameters": {name: f"x{texts()}" for name in made.hyperparameters},
    }
    if made.mlflow:
        changed["mlflow"] = msgspec.structs.replace(made.mlflow, app_arn=texts())
    if made.kms_key:
        changed["kms_key"] = texts()
    if made.vpc:
        changed["vpc"] = msgspec.structs.replace(made.vpc, subnets=tuple(texts() for _ in made.vpc.subnets))
    if made.reward:
        changed["reward"] = msgspec.structs.replace(
            made.reward, judge_model=made.reward.judge_model and texts()
        )
    if made.model.source_model_package_arn:
        changed["model"] = msgspec.structs.replace(changed["model"], source_model_package_arn=texts())
    return msgspec.structs.replace(made, **changed)


@pytest.mark.parametrize("name", TEMPLATES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_value_changes_the_code_or_the_cells(name: str, data: st.DataObject) -> None:
    plain = all_plans()[name]
    own = {"learning_rate": data.draw(TEXT)}
    changed = hostile(plain, lambda: data.draw(TEXT))
    facts = Facts(origin=data.draw(TEXT), hyperparameters=own, job_name=data.draw(TEXT))
    quiet = Facts(origin="x", hyperparameters={"learning_rate": "x"}, job_name="x")

    notebook, wanted = notebooks.notebook(changed, facts), notebooks.notebook(plain, quiet)
    assert outline(notebook) == outline(wanted)
    assert shape(code_of(notebook)) == shape(code_of(wanted))
    assert not re.search(r"^\s*[%!?]", code_of(notebook), re.MULTILINE)
    nbformat.validate(nbformat.reads(notebook, as_version=4))

    for made in (notebooks.script, notebooks.metrics_script):
        script, quiet_script = made(changed, facts), made(plain, quiet)
        assert shape(script) == shape(quiet_script)
        assert re.findall(r"^# ?%%.*$", script, re.MULTILINE) == re.findall(
            r"^# ?%%.*$", quiet_script, re.MULTILINE
        )
        script.encode()


@pytest.mark.parametrize("text", [*HOSTILE, *RECORD_HOSTILE, *map(encodable, GATE_HOSTILE.values())])
def test_the_hostile_corpus_is_text_in_every_rendering_the_acceptance_included(text: str) -> None:
    for name, plain in all_plans().items():
        asked = msgspec.structs.replace(plain.approval, needed=True)
        made = msgspec.structs.replace(hostile(plain, lambda: text), approval=asked)
        wanted = msgspec.structs.replace(plain, approval=asked)
        facts = Facts(origin=text, accepted=True, acceptance=f"by {text}", job_name=f"j{text}")
        quiet = Facts(origin="x", accepted=True, acceptance="by x", job_name="x")
        notebook = notebooks.notebook(made, facts)
        assert outline(notebook) == outline(notebooks.notebook(wanted, quiet)), name
        assert shape(code_of(notebook)) == shape(code_of(notebooks.notebook(wanted, quiet))), name
        assert shape(notebooks.script(made, facts)) == shape(notebooks.script(wanted, quiet)), name


@given(TEXT)
def test_a_markdown_cell_shows_a_value_as_text_and_as_nothing_else(text: str) -> None:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(f"- Use case: {markdown(text)}\n")
    kinds = [token.type for token in tokens]
    assert kinds[:3] == ["bullet_list_open", "list_item_open", "paragraph_open"]
    assert kinds.count("inline") == 1
    inline = next(token for token in tokens if token.type == "inline")
    assert {child.type for child in inline.children or ()} <= {"text", "text_special"}


@pytest.mark.parametrize("address", ["https://evil.example/x", "www.evil.example", "me@evil.example"])
def test_an_address_in_a_markdown_cell_is_not_made_a_link(address: str) -> None:
    assert address not in markdown(address)
    assert markdown(address).replace("\\", "") == address


# Files


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_notebook_is_to_the_byte_what_nbformat_writes(name: str) -> None:
    text = notebooks.notebook(all_plans()[name], FACTS)
    found = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(found)
    assert nbformat.writes(found) + "\n" == text
    ids = [cell.id for cell in found.cells]
    assert len(set(ids)) == len(ids)
    assert found.metadata.kernelspec == {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }


def test_the_files_of_a_run_are_its_notebook_its_script_and_its_metrics() -> None:
    document = {
        "request": {"hyperparameters": {"learning_rate": 0.5}},
        "training": {"job_name": "the-job"},
        "evaluator": {"evaluator_arn": ""},
    }
    made = notebooks.of_run(plan(), notebooks.facts_of_run("run-7", document))
    assert set(made) == {"notebook.ipynb", "01_fine_tuning.py", "02_metrics.py"}
    assert "trainer.hyperparameters.learning_rate = 0.5\n" in made["01_fine_tuning.py"]
    assert "the-job" in made["02_metrics.py"]
    assert all("run-7" in text or "run\\-7" in text for text in made.values())


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"execution_role_arn": ""}, "ROLE_ARN"),
        ({"output_uri": ""}, "S3_OUTPUT_PATH"),
        ({"use_case": ""}, "USE_CASE"),
    ],
)
def test_a_value_that_is_not_there_is_named_with_the_template_that_needs_it(
    change: dict[str, str], missing: str
) -> None:
    with pytest.raises(notebooks.RenderingFailed, match=rf"code_templates/sft\.py.*{missing}"):
        notebooks.notebook(plan(**change), FACTS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "docstring"),
        ('"""Only a docstring."""\n', "docstring and sections"),
        ("# Cell 0: No docstring\n\nx = 1\n", "docstring"),
        ('"""D."""\n\n# Cell 1: Begins at one\n\nx = 1\n', "Cell 0"),
        ('"""D."""\n\n# Cell 0 [markdown]: A\n\n# Cell 2: Skips\n\nx = 1\n', "Cell 1"),
        ('"""D."""\n\n# Cell 0 no colon\n\nx = 1\n', "Cell 0"),
    ],
)
def test_a_template_that_breaks_the_conventions_is_refused(text: str, says: str) -> None:
    with pytest.raises(notebooks.TemplateInvalid, match=says):
        template.parse("broken", text)


def test_markers_take_lines_and_sections_out_and_are_never_rendered() -> None:
    text = (
        '"""D."""\n\n# Cell 0: A\n\nx = 1  # NOTEBOOK_ONLY\ny = "[Y]"  # ONLY_IF Y\nz = 3\n'
        "\n# Cell 1: B  # NOTEBOOK_ONLY_SECTION\n\nb = 1\n\n# Cell 2: C  # ONLY_IF Y\n\nc = 1\n"
    )
    parsed = template.parse("t", text)

    def lines(values: dict[str, Any], form: Any) -> list[tuple[str, ...]]:
        return [filled.lines for filled in fill(parsed, values, form=form)]

    assert lines({}, "script") == [("z = 3",)]
    assert lines({"Y": "v"}, "script") == [("y = 'v'", "z = 3"), ("c = 1",)]
    assert lines({}, "notebook") == [("x = 1", "z = 3"), ("b = 1",)]


def test_a_rendering_leaves_the_plan_as_it_was() -> None:
    made = plan("sft_everything")
    before = copy.deepcopy(made)
    notebooks.notebook(made, FACTS)
    assert made == before
