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
    """The summary in words, a line per channel and one for what both have in common."""
    said = [f"{name.capitalize()} data: {_words(short[name])}" for name in CHANNELS if name in short]
    if overlap := short.get("overlap"):
        about = "about " if overlap["sampled"] > 1 else ""
        said.append(f"Validation rows that are training rows too: {about}{overlap['rows']:,}.")
    return said


def _words(channel: Mapping[str, Any]) -> str:
    formats = ", ".join(channel["formats"]) or "no known format"
    parts = [f"{channel['rows']:,} rows ({formats}), {channel['bytes']:,} bytes"]
    if not channel["complete"]:
        parts.append("not read to its end")
    if channel["rows_bad"]:
        parts.append(f"{channel['rows_bad']:,} rows wrong")
    if tokens := channel.get("tokens"):
        parts.append(_lengths(tokens))
    if channel["duplicates"] > 0:
        about = "about " if channel["sampled"] > 1 else ""
        parts.append(f"{about}{channel['duplicates']:,} duplicates")
    if bias := channel.get("length_bias"):
        parts.append(f"chosen answers {bias['ratio']} times as long as rejected ones")
    if channel["largest_source"]:
        parts.append(f"{channel['largest_source']:.0%} from the largest source")
    if channel["content_sha256"]:
        parts.append(f"SHA-256 {channel['content_sha256']}")
    if channel["s3_version"]:
        parts.append(f"S3 version {channel['s3_version']}")
    return "; ".join(parts) + "."


def _lengths(tokens: Mapping[str, Any]) -> str:
    spread = f"median {tokens['p50']:,}, 99% up to {tokens['p99']:,}, longest {tokens['longest']:,}"
    text = f"about {tokens['estimated']:,} tokens ({tokens['how']}): {spread}"
    if tokens["sequence_length"]:
        text += f"; {tokens['rows_cut']:,} rows longer than the recipe's {tokens['sequence_length']:,}"
    return text
