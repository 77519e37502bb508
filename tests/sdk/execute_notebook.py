"""Execute a notebook in place, as Jupyter would: python execute_notebook.py NOTEBOOK

Runs with the SDK environment's Python, whose kernel the cells get.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def main() -> None:
    path = Path(sys.argv[1])
    notebook = nbformat.read(path, as_version=4)
    try:
        NotebookClient(
            notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": path.parent}}
        ).execute()
    finally:
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
