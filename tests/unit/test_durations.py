import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunestep import durations


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("45m", 2700), ("6h", 21600), ("3d", 259200), ("1s", 1), ("2419200s", 28 * 86400)],
)
def test_reads_each_unit(written: str, seconds: int) -> None:
    assert durations.seconds(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "6", "h", "0s", "-1h", "1.5h", "6 h", "6H", "6h\n", "06h", "1w", "1h30m", "99999999s", "٣d"],
)
def test_refuses_what_is_no_duration_and_says_what_is(written: str) -> None:
    with pytest.raises(durations.DurationInvalid, match="90s, 45m, 6h or 3d"):
        durations.seconds(written)


@given(st.integers(min_value=1, max_value=9_999_999))
def test_spelling_of_a_number_reads_back(count: int) -> None:
    assert durations.seconds(durations.text(count)) == count
