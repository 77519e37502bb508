"""``tunestep reward test|list|new``."""

import builtins
import importlib.util
import keyword
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.text import Text

from tunestep import hub, lambda_functions, names
from tunestep.certify import certification
from tunestep.certify.calls import FunctionRefused, LambdaFunction, admit, guard
from tunestep.certify.certification import Certified
from tunestep.certify.data import Sampled
from tunestep.certify.outcomes import SAMPLE, Thresholds
from tunestep.certify.step import GRACE_SECONDS
from tunestep.cli import render, reward_rows
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.reward_file import FileReward
from tunestep.cli.target import Target, json_option, open_target, read_settings, target_options
from tunestep.errors import TunestepError
from tunestep.plan_model import Family
from tunestep.request import Certify
from tunestep.text import visible

FOLDER = Path("reward_functions")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,21}")
_TAKEN = frozenset({"kit", "templates", "catalog"})
_FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STYLES = {"pass": "green", "fail": "red", "error": "red", "timeout": "red", "not run": "yellow"}
_SEVERITIES = {"error": "red", "warning": "yellow", "info": "dim"}
_LAMBDA_DEFAULT_TIMEOUT = 3


@click.group()
def reward() -> None:
    """Reward functions: try one on your data, list the stack's, begin one of your own."""


@reward.command()
@click.argument("function", metavar="FUNCTION|ARN|FILE.py")
@click.option(
    "--data",
    "data_source",
    metavar="FILE|s3://...",
    required=True,
    help="Rows: JSON Lines, JSON, CSV or Parquet.",
)
@click.option("--contract", type=click.Choice(["open-weights", "nova"]), help="How the service calls it.")
@click.option("--model", metavar="NAME", help="The base model; its family decides the contract.")
@click.option("--sample", type=click.IntRange(1, 1000), default=SAMPLE, show_default=True, help="Rows tried.")
@click.option("--min-gold", type=click.FloatRange(0, 1), help="Least mean score of right answers.")
@click.option("--max-wrong", type=click.FloatRange(0, 1), help="Highest mean score of wrong answers.")
@click.option("--timeout", type=click.IntRange(1, 900), default=60, help="Seconds per call, of FILE.py.")
@target_options
@json_option
def test(
    function: str,
    *,
    data_source: str,
    contract: Family | None,
    model: str | None,
    sample: int,
    min_gold: float | None,
    max_wrong: float | None,
    timeout: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Certify a reward on rows of your data, as a run does before it trains.

    FUNCTION is a reward of the library: as it is deployed with --local or --stack, else its file; or the
    name or the ARN of a deployed function of the stack's account and region. That one is called only if it
    is tagged as a reward of the stack, as the stack's own are, or listed in the settings under
    allowed.reward_functions. FILE.py (with handler or score) runs on this machine without any cloud, in a
    process that sees no credentials. Exit code 0 when it is certified, 1 when it is not.
    """
    if contract and model:
        raise CliError("--contract and --model exclude each other")
    family: Family = contract or (hub.family(model) if model else "open-weights")
    thresholds = Thresholds.of(Certify(min_gold=min_gold, max_wrong=max_wrong, sample=sample))
    if not (options["local"] or options["stack"]):
        function = _own_file(function)
    is_file = function.endswith(".py")
    needed = not is_file or data_source.startswith("s3://")
    target = _target(as_json, options, "" if is_file else function) if needed else None
    if target is None and (options["local"] or options["stack"]):
        raise CliError("--local and --stack are for deployed rewards and for data in S3; nothing here is")
    try:
        sampled = reward_rows.sampled(data_source, target, sample, family)
        if is_file:
            certified = _of_file(function, family, sampled, thresholds, timeout)
        else:
            deployed = _deployed_reward(function, family, target, options["settings_file"])
            certified = certification.of_function(deployed.function, family, sampled, thresholds, function)
            certified = certified._replace(facts={**certified.facts, **deployed.facts})
    except TunestepError as fault:
        raise CliError(str(fault), code=1) from None
    if as_json:
        render.print_json(certified.report())
    else:
        _show(certified)
    if not certified.ok:
        raise SystemExit(1)


def _own_file(name: str) -> str:
    """The file of a reward that is named alone; any other text comes back as it is."""
    if not _NAME.fullmatch(name) or name in _TAKEN:
        return name
    found = next((file for file in (FOLDER / f"{name}.py", _library(f"{name}.py")) if file.is_file()), None)
    return str(found) if found else name


def _target(as_json: bool, options: dict[str, Any], deployed: str) -> Target:
    """The cloud that is asked for; ``deployed`` is what is looked for there, for a message without one."""
    errors = render.console(stderr=True)
    try:
        return open_target(
            on_progress=lambda text: None if as_json else errors.print(text, style="dim"), **options
        )
    except CliError as fault:
        if deployed and not (options["local"] or options["stack"]):
            text = f"{visible(deployed)} is no file and no reward of the library; for a deployed one {fault}"
            raise CliError(text, code=fault.code) from None
        raise


def _of_file(
    function: str, family: Family, sampled: Sampled, thresholds: Thresholds, timeout: int
) -> Certified:
    file = Path(function)
    if not file.is_file():
        raise CliError(f"there is no file {function}")
    with FileReward(file, family, timeout) as own:
        return certification.of_function(own, family, sampled, thresholds, function)


class _Deployed(NamedTuple):
    """A reward that may be called, and its ARN and code hash as ``facts``."""

    function: LambdaFunction
    facts: dict[str, str]


def _deployed_reward(
    function: str, family: Family, target: Target | None, settings_file: str | None
) -> _Deployed:
    """Raises CliError for what is no deployed reward, before anything is called."""
    if target is None:
        raise CliError(f"{function} is not a file; name a deployed reward with --local or --stack")
    settings = read_settings(settings_file)
    listed = settings.allowed.reward_functions if settings else ()
    arn, seconds, code_sha256 = _admitted(function, family, target, listed)
    called = LambdaFunction(target.clients.lambda_once(seconds + GRACE_SECONDS), arn, seconds)
    return _Deployed(called, {"arn": arn, "code_sha256": code_sha256})


def _admitted(function: str, family: Family, target: Target, listed: Sequence[str]) -> tuple[str, float, str]:
    """ARN, time-out in seconds and code hash of a deployed reward; raises CliError for what is none."""
    arn = function
    if not function.startswith("arn:"):
        name = function
        if _NAME.fullmatch(function):
            name = names.reward_function_name(target.stack, function, family)
        elif not _FUNCTION_NAME.fullmatch(function):
            raise CliError(f"{function!r} is no function's name, no ARN and no file that ends in .py")
        arn = f"arn:aws:lambda:{target.region}:{target.account}:function:{name}"
    try:
        guard(arn, stack=target.stack, region=target.region, account=target.account)
        admit(target.clients.lambda_, arn, stack=target.stack, listed=listed)
    except FunctionRefused as fault:
        raise CliError(f"{fault}; it is not called. `tunestep reward list` shows the rewards") from None
    parsed = lambda_functions.parse(arn)
    arn = parsed.unqualified if parsed else arn
    with aws_errors(f"look up the reward {function}"):
        try:
            found = target.clients.lambda_.get_function_configuration(FunctionName=arn)
        except target.clients.lambda_.exceptions.ResourceNotFoundException:
            text = f"there is no reward {function} ({arn}); `tunestep reward list` shows the rewards"
            raise CliError(text) from None
    seconds = float(found.get("Timeout") or _LAMBDA_DEFAULT_TIMEOUT)
    return arn, min(seconds, certification.WAIT_SECONDS), str(found.get("CodeSha256") or "")


def _show(certified: Certified) -> None:
    out = render.console()
    rows: list[tuple[Text, ...]] = [
        (
            Text(probe.name),
            Text(probe.outcome, style=_STYLES[probe.outcome]),
            Text("" if probe.score is None else f"{probe.score:.2f}"),
            Text(probe.limit, style="dim"),
            Text(visible(probe.detail), style="dim"),
        )
        for probe in certified.probes
    ]
    render.print_rows(out, ("probe", "outcome", "score", "limit", ""), rows)
    for finding in certified.findings:
        label = Text(f"{finding.severity:8}", style=_SEVERITIES[finding.severity])
        out.print(label, Text(visible(f"{finding.code}: {finding.message} {finding.fix}".rstrip())))
    for words in certified.facts.get("function_said", []):
        out.print(Text(f"the function says: {visible(words)}", style="dim"))
    for example in certified.examples:
        score = example.failure or ("no score" if example.score is None else f"{example.score:g}")
        out.print(Text(visible(f"{example.probe}: {score}"), style="bold"))
        for part in ("question", "reference", "response"):
            out.print(Text(f"  {part:9}  {visible(getattr(example, part))}"))
    if certified.ok:
        out.print(Text(f"certified on {certified.facts['rows']} rows", style="green"))
    else:
        out.print(Text("not certified", style="red"))


@reward.command("list")
@json_option
def list_(as_json: bool) -> None:
    """The rewards that a stack deploys; a request names one as reward.function."""
    from reward_functions.catalog import rewards  # noqa: PLC0415 - the library is not needed otherwise

    if as_json:
        listed = [{"name": entry.name, "title": entry.title, "timeout": entry.timeout} for entry in rewards()]
        render.print_json(listed)
        return
    rows: list[tuple[Text, ...]] = [(Text(entry.name), Text(entry.title)) for entry in rewards()]
    render.print_rows(render.console(), ("name", "what it scores"), rows)


@reward.command()
@click.argument("name")
@click.option("--nova", is_flag=True, help="For a Nova model; else for an open-weights model.")
def new(name: str, nova: bool) -> None:
    """Begin a reward of your own: reward_functions/NAME.py, ready to run and to change."""
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise CliError(f"{name!r} cannot be a reward's name: at most 22 of a-z, 0-9 and _, a letter first")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name):
        raise CliError(f"{name!r} is a word of Python itself; give the reward another name")
    if name in sys.stdlib_module_names:
        raise CliError(f"{name!r} is a module of Python's library; give the reward another name")
    if not FOLDER.is_dir():
        raise CliError(f"there is no folder {FOLDER} here; run it in the project's folder")
    file = FOLDER / f"{name}.py"
    if file.exists():
        raise CliError(f"{file} exists already")
    shutil.copyfile(_library(f"templates/{'nova' if nova else 'open_weights'}.py"), file)
    contract = " --contract nova" if nova else ""
    out = render.console()
    out.print(f"Wrote {file}. Try it on your data, without any cloud:")
    out.print(f"  tunestep reward test {file} --data train.jsonl{contract}")
    out.print("Every file in that folder is deployed with the stack; `tunestep reward list` shows them.")


def _library(name: str) -> Path:
    """A file of the library, wherever it is installed."""
    spec = importlib.util.find_spec("reward_functions")
    return (Path(spec.origin).parent if spec and spec.origin else FOLDER) / name
