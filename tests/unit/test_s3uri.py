import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunestep import s3uri
from tunestep.s3uri import S3Uri, S3UriInvalid

ACCESS_POINT = "arn:aws:s3:us-west-2:111122223333:accesspoint/recipes"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/a/b.jsonl", S3Uri("bucket", "a/b.jsonl")),
        ("s3://bucket/a/", S3Uri("bucket", "a/")),
        ("s3://bucket", S3Uri("bucket", "")),
        ("s3://bucket/", S3Uri("bucket", "")),
        (f"s3://{ACCESS_POINT}/x/y.json", S3Uri(ACCESS_POINT, "x/y.json")),
        ("s3://bucket/with space/..hidden/a..b", S3Uri("bucket", "with space/..hidden/a..b")),
    ],
)
def test_usable_uris_are_taken_apart(text: str, expected: S3Uri) -> None:
    assert s3uri.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bucket/key",
        "https://bucket/key",
        "S3://bucket/key",
        "s3://",
        "s3:///key",
        "s3://Bucket/key",
        "s3://a/key",
        "s3://-bucket/key",
        "s3://bucket-/key",
        "s3://bu cket/key",
        "s3://bucket//key",
        "s3://bucket/a//b",
        "s3://bucket/a//",
        "s3://bucket/../key",
        "s3://bucket/a/..",
        "s3://bucket/a/../../b",
        "s3://bucket/./a",
        "s3://bucket/a\nb",
        "s3://bucket/a\x00b",
        "s3://bucket/" + "k" * 1024,
        f"s3://{ACCESS_POINT}.x/key",
        "s3://arn:aws:s3:us-west-2:1:accesspoint/x/key",
    ],
)
def test_other_texts_are_refused_with_a_reason(text: str) -> None:
    with pytest.raises(S3UriInvalid, match=r"\w"):
        s3uri.parse(text)


KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


@given(KEYS)
def test_what_parses_is_written_back_as_it_was(key: str) -> None:
    try:
        uri = s3uri.parse(f"s3://bucket/{key}")
    except S3UriInvalid:
        return
    assert str(uri) == (f"s3://bucket/{key}" if key else "s3://bucket")
    assert s3uri.parse(str(uri)) == uri


@pytest.mark.parametrize(
    ("location", "key", "expected"),
    [
        ("pre", "pre", True),
        ("pre", "pre/x", True),
        ("pre/", "pre/x", True),
        ("pre/", "pre/", True),
        ("pre", "prefix2", False),
        ("pre", "prefix2/x", False),
        ("pre/", "pre", False),
        ("pre/x", "pre", False),
        ("", "anything", True),
    ],
)
def test_locations_end_on_a_path_boundary(location: str, key: str, expected: bool) -> None:
    assert s3uri.is_within(S3Uri("b", key), S3Uri("b", location)) is expected
    assert not s3uri.is_within(S3Uri("other", key), S3Uri("b", location))


@given(KEYS, KEYS)
def test_nothing_lies_within_a_location_but_itself_and_what_follows_a_slash(location: str, key: str) -> None:
    inside = s3uri.is_within(S3Uri("b", key), S3Uri("b", location))
    below = location.removesuffix("/") + "/"
    assert inside == (not location or key == location or key.startswith(below))
