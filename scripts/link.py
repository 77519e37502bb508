"""Make the checkout importable from the virtual environment and put the `tunestep` command into it.

A build of the project would need a build backend from outside the lock, so none is made.
"""

import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    site = Path(sysconfig.get_path("purelib"))
    (site / "tunestep.pth").write_text(f"{ROOT}\n")
    command = Path(sysconfig.get_path("scripts")) / "tunestep"
    command.write_text(f"#!{sys.executable}\nfrom tunestep.cli.main import main\n\nmain()\n")
    command.chmod(0o755)


if __name__ == "__main__":
    main()
