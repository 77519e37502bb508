"""Refuse an interpreter that the locked wheels do not serve, before anything is downloaded."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file runs before the project's own Python is chosen
    sys.exit(
        f"Tunestep needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. "
        "Install it (Debian 12: apt-get install python3 python3-venv) "
        "or name one: make setup PYTHON=python3.12"
    )
try:
    import ensurepip  # noqa: F401
except ImportError:
    sys.exit("This Python has no venv support. On Debian: apt-get install python3-venv")
