"""What of the pages no test executes, each with its reason, and how much that is."""

from tests.docs.pages import blocks, commands
from tests.docs.test_commands import NOT_RUN

SHELL = "for a real account or a value that you fill in; nothing executes it"
"""Why blocks marked ``sh`` are not run."""


def main() -> None:
    shown = [line for _, line in commands()]
    for line, reason in NOT_RUN.items():
        print(f"not run: {line}\n         {reason}")
    for block in blocks("sh"):
        for line in filter(None, block.text.splitlines()):
            print(f"not run: {block.page}: {line}\n         {SHELL}")
    lines = sum(len(block.text.splitlines()) for block in blocks("sh"))
    exempt = f"{len(NOT_RUN)} of them exempt, {lines} lines for an account"
    print(f"commands of the pages: {len(shown)} shown, {exempt}")


if __name__ == "__main__":
    main()
