"""``tunestep probe``: try in a real account what is only believed of AWS."""

from pathlib import Path
from typing import Any

import click
import msgspec
from rich.text import Text

from tunestep import estimate
from tunestep.cli import render
from tunestep.cli.interrupts import HeldBack
from tunestep.cli.stack import looked_at
from tunestep.cli.target import Target, json_option, open_target, target_options
from tunestep.operate.probe.recorder import Recorder
from tunestep.operate.probe.sequence import CHECKS, RUNS_THAT_COST, Result, go_through
from tunestep.operate.probe.trial import Trial
from tunestep.operate.redact import Redactor
from tunestep.settings import Settings
from tunestep.text import visible

MODEL = "huggingface-reasoning-qwen3-0-6b"
FOLDER = Path("tests/conformance/live")
_STYLES = {"confirmed": "green", "refuted": "red", "not tried": "dim"}


@click.command()
@target_options
@click.option("--model", default=MODEL, show_default=True, help="Base model of the hub; ungated.")
@click.option(
    "--spend-cap-usd", "cap", type=click.FloatRange(min=0, min_open=True), help="Train too, for at most this."
)
@click.option("--yes", is_flag=True, help="Train although the settings hold no price for the model.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    show_default=True,
    help="Where redacted requests and answers are written.",
)
@click.option("--max-wait", default=7200, show_default=True, help="Seconds that one run may take.")
@json_option
def probe(
    *,
    model: str,
    cap: float | None,
    yes: bool,
    folder: Path,
    max_wait: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Try what docs/limits.md says was not yet tried on AWS, cheapest first.

    Without --spend-cap-usd nothing is trained. What a check makes is removed in the end, after Ctrl-C as
    well. Exit code 1 when a claim is refuted or something could not be removed.
    """
    target = open_target(start=False, **options)
    errors = render.console(stderr=True)
    recorder = Recorder(target.clients, _redactor(target), folder)
    stack = looked_at(target)
    trial = Trial(stack=stack, model=model, max_wait_seconds=float(max_wait))
    if not as_json:
        trial.say = lambda text: errors.print(Text(text, style="dim"))
    paid = _why_nothing_may_cost(stack.rules, model, cap, yes)
    if cap:
        trial.known["cap_per_run"] = cap / RUNS_THAT_COST if _priced(stack.rules, model) else None
    results: list[Result] = []
    left: list[str] = []
    try:
        for result in go_through(trial, recorder, paid=paid):
            results.append(result)
            if not as_json:
                _show(result)
    finally:
        with HeldBack():
            errors.print("Removing what the probe made.", style="dim")
            left = trial.clean_up()
            for line in left:
                errors.print(visible(f"not removed: {line}"), style="red")
    if as_json:
        render.print_json({"results": [msgspec.to_builtins(one) for one in results], "not_removed": left})
    else:
        _sum_up(results, folder)
    raise SystemExit(1 if left or any(one.verdict == "refuted" for one in results) else 0)


def _redactor(target: Target) -> Redactor:
    """Knows the caller's own credentials, so that they can be told apart from everything else."""
    found = target.clients.session.get_credentials()
    frozen = found.get_frozen_credentials() if found else None
    known = {
        "the access key": frozen.access_key if frozen else "",
        "the secret key": frozen.secret_key if frozen else "",
        "the session token": (frozen.token or "") if frozen else "",
    }
    # The laptop's are a word that stands in every name.
    return Redactor(target.account, {} if target.local else known)


def _priced(rules: Settings, model: str) -> bool:
    return all(estimate.price(rules.prices, model, technique) for technique in ("SFT", "RLVR"))


def _why_nothing_may_cost(rules: Settings, model: str, cap: float | None, yes: bool) -> str:
    """Empty when training was asked for and its cost is bounded, or taken on unseen."""
    if cap is None:
        return "it costs; allow it with --spend-cap-usd"
    if not _priced(rules, model) and not yes:
        return "the settings hold no price for it, so the cap cannot be kept; set prices, or add --yes"
    return ""


def _show(result: Result) -> None:
    line = Text.assemble(
        (f"{result.verdict:9}", _STYLES[result.verdict]), f" {result.number:2} {result.claim}"
    )
    render.console().print(line)
    render.console().print(Text(f"{'':13}{visible(result.evidence)}", style="dim"))


def _sum_up(results: list[Result], folder: Path) -> None:
    counts = {verdict: sum(one.verdict == verdict for one in results) for verdict in _STYLES}
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    render.console().print(f"{len(results)} of {len(CHECKS)}: {said}. Redacted exchanges: {folder}")
