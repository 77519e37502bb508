"""The CDK command that deploys or destroys a stack: built, checked and printed, never hidden.

CDK does the work. What is added is what goes wrong without it: settings that are wrong, a CDK that is not
the pinned one, a Node that is too old, the wrong account.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra import node

REPOSITORY = Path(__file__).resolve().parents[2]
CDK = Path("node_modules") / "aws-cdk"
SCRIPT = CDK / "bin" / "cdk"
NODE_MAJOR = 22
"""What package.json asks for."""

Verb = Literal["bootstrap", "deploy", "destroy"]


class CannotDeploy(RuntimeError):  # noqa: N818
    """The CDK command would fail; the message says why and which command mends it."""


@dataclass(frozen=True, kw_only=True)
class CdkCommand:
    """``arguments`` run in ``folder``, with ``variables`` on top of the user's environment."""

    arguments: tuple[str, ...]
    folder: Path
    variables: Mapping[str, str]

    def shown(self) -> str:
        """The line that does the same in a shell."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        return f"(cd {shlex.quote(str(self.folder))} && {' '.join([*settings, shlex.join(self.arguments)])})"

    def run(self) -> int:
        """CDK's own exit code; it talks to the terminal itself."""
        done = subprocess.run(  # noqa: S603 - the pinned command, as a list and without a shell
            list(self.arguments), cwd=self.folder, env={**os.environ, **self.variables}, check=False
        )
        return done.returncode


def command(
    verb: Verb,
    what: str,
    *,
    settings_file: Path | None,
    profile: str | None,
    region: str | None,
    extra: Sequence[str] = (),
    root: Path = REPOSITORY,
    node_path: str | None = None,
) -> CdkCommand:
    """``what`` is a stack, or for ``bootstrap`` a place (``aws://ACCOUNT/REGION``).

    ``extra`` goes to CDK as it is, behind everything else. ``node_path`` as node_program gives it.
    """
    arguments = [node_path or "node", str(SCRIPT), verb, what]
    if settings_file:
        # An absolute path, because CDK runs the app in the repository's folder.
        arguments += ["--context", f"settings={settings_file.absolute()}"]
    if profile:
        arguments += ["--profile", profile]
    if verb == "destroy":
        # The question was asked before, with what stays.
        arguments.append("--force")
    variables = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region} if region else {}
    return CdkCommand(arguments=(*arguments, *extra), folder=root, variables=variables)


def node_program(search: str | None = None) -> str:
    """Node on the PATH where it is new enough, or that of the wheel which `make setup` installed.

    Raises CannotDeploy when there is neither. ``search`` replaces the PATH.
    """
    found = shutil.which("node", path=search)
    if found and _major(found) >= NODE_MAJOR:
        return found
    wheel = node.wheel()
    own = wheel / "bin" / "node" if wheel else None
    if own is not None and own.is_file():
        return str(own)
    seen = f"node on the PATH is {_major(found)}" if found else "there is no node on the PATH"
    raise CannotDeploy(f"CDK's command needs Node {NODE_MAJOR} or newer, and {seen}. Run: make setup")


def _major(program: str) -> int:
    said = subprocess.run(  # noqa: S603 - asks a program of the PATH for its version
        [program, "--version"], capture_output=True, text=True, check=False
    )
    match = re.match(r"v(\d+)\.", said.stdout)
    return int(match[1]) if match else 0


def check_cdk(root: Path = REPOSITORY) -> str:
    """The version of CDK's command that is installed, which has to be the pinned one. Raises CannotDeploy."""
    if not (root / "app.py").is_file():
        raise CannotDeploy(f"{root} is no clone of Tunestep: it has no app.py. Run the command of a clone.")
    pinned = json.loads((root / "package-lock.json").read_text())["packages"]["node_modules/aws-cdk"][
        "version"
    ]
    fix = f"Run: make -C {shlex.quote(str(root))} cdk (it is npm ci, by the Node of make setup)"
    try:
        there = json.loads((root / CDK / "package.json").read_text())["version"]
    except (OSError, ValueError, KeyError):
        raise CannotDeploy(f"CDK's command is not installed in {root}. {fix}") from None
    if there != pinned:
        raise CannotDeploy(f"CDK's command there is {there}, and {pinned} is pinned. {fix}")
    return str(there)
