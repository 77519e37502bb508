"""``tunestep lineage``: the runs, data and requests that a model package goes back to."""

import re
from typing import Any

import click
import msgspec
from rich.text import Text

from tunestep import lineage as chains
from tunestep.cli import render
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.target import Target, json_option, open_target, target_options
from tunestep.record_model import Ancestor
from tunestep.runs import Runs
from tunestep.text import one_line

_SHORT = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,62}/\d+")


@click.command()
@click.argument("package", metavar="PACKAGE")
@target_options
@json_option
def lineage(package: str, as_json: bool, **options: Any) -> None:
    """What PACKAGE was made from. PACKAGE is a model package's ARN, or GROUP/VERSION."""
    target = open_target(start=False, **options)
    arn = _arn(target, package)
    with aws_errors(f"read the runs of stack {target.stack} in {target.region}"):
        chain = chains.chain(Runs(target.clients.dynamodb, target.table), arn)
    if not chain[0].run_id:
        raise CliError(
            f"no run of stack {target.stack} made {arn}; what was made: tunestep runs --status succeeded "
            f"{target.flag}",
            code=1,
        )
    if as_json:
        render.print_json(msgspec.to_builtins(chain))
        return
    out = render.console()
    for depth, made in enumerate(chain):
        if depth:
            out.print(Text("went on from", style="dim"))
        render.print_facts(out, _facts(made))
    if chain[-1].run_id:
        out.print(Text(f"began with {one_line(chain[-1].base_model)}", style="dim"))


def _arn(target: Target, package: str) -> str:
    if package.startswith("arn:"):
        return package
    if not _SHORT.fullmatch(package):
        raise CliError(
            f"{package!r} is neither the ARN of a model package nor GROUP/VERSION, for example "
            f"arithmetic-tutor-v1/1; a run's own: tunestep results RUN {target.flag}"
        )
    partition = target.clients.session.get_partition_for_region(target.region)
    return f"arn:{partition}:sagemaker:{target.region}:{target.account}:model-package/{package}"


def _facts(made: Ancestor) -> list[tuple[str, str]]:
    data = [
        (
            f"{name} data",
            f"{used.uri}"
            + (f" version {used.version_id}" if used.version_id else "")
            + (f" SHA-256 {used.content_sha256}" if used.content_sha256 else ""),
        )
        for name, used in made.data.items()
    ]
    facts = [
        ("model package", made.package_arn),
        ("run", made.run_id or "not a run of this stack"),
        ("technique", made.technique),
        ("base model", made.base_model),
        ("use case", made.use_case),
        *data,
        ("request SHA-256", made.request_hash),
        ("record", made.record_uri),
        ("made", made.created_at),
    ]
    return [fact for fact in facts if fact[1]]
