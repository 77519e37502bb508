"""The data set report in short: for the run's document, its record, the approval notice and the terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunestep.datasets import DatasetReport
    from tunestep.datasets.report import ChannelReport


CHANNELS = ("training", "validation")


def summary(report: "DatasetReport", channels: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The numbers of the channels that were read, without places and content: about a kilobyte.

    ``channels`` are their names in the report's order, each with the S3 version id that was read, or none.
    """
    parts = filter(None, (report.training, report.validation))
    short = {name: _channel(part, version) for (name, version), part in zip(channels, parts, strict=True)}
    if report.overlap:
        short["overlap"] = {"rows": report.overlap.count, "sampled": report.overlap.sampled}
    return short | {"seconds": report.seconds}


def _channel(channel: "ChannelReport", version_id: str) -> dict[str, Any]:
    lengths, bias = channel.lengths, channel.bias
    short: dict[str, Any] = {
        "rows": channel.rows,
        "rows_bad": channel.rows_bad,
        "bytes": channel.bytes,
        "files": channel.files,
        "complete": channel.complete,
        "formats": {entry.format: entry.rows for entry in channel.formats},
        "content_sha256": channel.content_sha256,
        "s3_version": version_id,
        "duplicates": channel.duplicates,
        "sampled": channel.sampled,
        "largest_source": channel.largest_source,
    }
    if lengths:
        short["tokens"] = {
            "estimated": lengths.tokens,
            "how": lengths.how,
            "p50": lengths.p50,
            "p90": lengths.p90,
            "p99": lengths.p99,
            "longest": lengths.longest,
            "sequence_length": lengths.sequence_length,
            "rows_cut": lengths.cut,
        }
    if bias:
        short["length_bias"] = {"ratio": bias.ratio, "chosen_longer": bias.chosen_longer}
    return short


def sentences(short: Mapping[str, Any]) -> list[str]:
    """The summary in words: up to four lines per channel and one for what both have in common.

    Lines stay below the 200 characters that mail and Slack show of one.
    """
    said = [line for name in CHANNELS if name in short for line in _words(name.capitalize(), short[name])]
    if overlap := short.get("overlap"):
        said.append(f"Validation rows that are training rows too: {_about(overlap)}{overlap['rows']:,}.")
    return said


def _words(name: str, channel: Mapping[str, Any]) -> list[str]:
    said = [f"{name} data: {_counts(channel)}."]
    if tokens := channel.get("tokens"):
        said.append(f"{name} tokens: about {tokens['estimated']:,} ({tokens['how']}).")
        said.append(f"{name} rows in tokens: {_lengths(tokens, channel.get('length_bias'))}.")
    known = []
    if channel["content_sha256"]:
        known.append(f"SHA-256 {channel['content_sha256']}")
    if channel["s3_version"]:
        known.append(f"S3 version {channel['s3_version']}")
    return [*said, f"{name} content: {'; '.join(known)}."] if known else said


def _about(counted: Mapping[str, Any]) -> str:
    return "about " if counted["sampled"] > 1 else ""


def _counts(channel: Mapping[str, Any]) -> str:
    formats = ", ".join(channel["formats"]) or "no known format"
    parts = [f"{channel['rows']:,} rows ({formats}), {channel['bytes']:,} bytes"]
    if not channel["complete"]:
        parts.append("not read to its end")
    if channel["rows_bad"]:
        parts.append(f"{channel['rows_bad']:,} rows wrong")
    if channel["duplicates"] >= 0:
        parts.append(f"{_about(channel)}{channel['duplicates']:,} duplicates")
    if channel["largest_source"]:
        parts.append(f"{channel['largest_source']:.0%} from the largest source")
    return "; ".join(parts)


def _lengths(tokens: Mapping[str, Any], bias: Mapping[str, Any] | None) -> str:
    text = (
        f"median {tokens['p50']:,}, 90% up to {tokens['p90']:,}, 99% up to {tokens['p99']:,}, "
        f"longest {tokens['longest']:,}"
    )
    if tokens["sequence_length"]:
        text += f"; {tokens['rows_cut']:,} longer than the recipe's {tokens['sequence_length']:,}"
    if bias:
        text += (
            f"; chosen answers {bias['ratio']} times as long as rejected ones, longer in "
            f"{bias['chosen_longer']:.0%}"
        )
    return text
