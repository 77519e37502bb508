"""Run the benchmarks: ``python -m benchmarks.run [--only TEXT] [--rounds N] [--json] [--markdown FILE]``.

Exit code 1 when a promise is not kept. Needs requirements/bench.txt for the peers.
"""

import argparse
import datetime
import json
import sys
from pathlib import Path

from benchmarks import datasets, harness, rewards, synthesis

PEERS = (
    "math-verify",
    "sympy",
    "rouge-score",
    "jsonschema",
    "rapidfuzz",
    "jsonschema-rs",
    "msgspec",
    "boto3",
)


def main(arguments: list[str] | None = None) -> int:
    """The command; results as text on standard output unless asked otherwise."""
    options = _options(arguments)
    everything = [*rewards.everything(), *datasets.everything(), *synthesis.everything()]
    chosen = [what for what in everything if options.only.lower() in what.name.lower()]
    if not chosen:
        print(f"No benchmark has {options.only!r} in its name.", file=sys.stderr)
        return 2
    results = []
    for what in chosen:
        results.append(harness.measure(what, options.rounds))
        print(f"measured: {what.name}", file=sys.stderr)
    machine = harness.surroundings(PEERS)
    if options.json:
        print(json.dumps(harness.as_document(results, machine), indent=2))
    else:
        print(harness.as_text(results, machine))
    if options.markdown:
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        Path(options.markdown).write_text(
            harness.as_markdown(
                results, machine, today, f"{rewards.NOTES}\n\n{datasets.NOTES}\n\n{synthesis.NOTES}"
            ),
            encoding="utf-8",
        )
    return 0 if all(result.kept for result in results) else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run", description="Ratios against named peers."
    )
    parser.add_argument("--only", default="", help="those with this text in their name")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds each (default 7)")
    parser.add_argument("--json", action="store_true", help="results as JSON on standard output")
    parser.add_argument("--markdown", metavar="FILE", help="also write them as the page docs/benchmarks.md")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds is at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
