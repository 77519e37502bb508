"""Confirmation links that are not SNS's, or not for an approver, go nowhere."""

import pytest

from tunestep.cli.approvers import Confirmation, parse
from tunestep.cli.failure import CliError

TOPIC = "arn:aws:sns:us-west-2:123456789012:tunestep-approver-ann"
QUERY = f"TopicArn={TOPIC}&Token=2336412f37fb687f5d51e6e2425e9000&Endpoint=ann@example.com"


@pytest.mark.parametrize(
    "url",
    [
        f"https://sns.us-west-2.amazonaws.com/confirmation.html?{QUERY}",
        f"https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&{QUERY}",
        f"  https://sns.us-west-2.amazonaws.com/confirmation.html?{QUERY}\n",
    ],
)
def test_a_link_of_sns_is_read(url: str) -> None:
    assert parse(url, laptop=False) == Confirmation(TOPIC, "2336412f37fb687f5d51e6e2425e9000")


def test_a_link_of_sns_in_china_is_read() -> None:
    query = QUERY.replace("arn:aws:sns:us-west-2", "arn:aws-cn:sns:cn-north-1")
    assert parse(f"https://sns.cn-north-1.amazonaws.com.cn/?{query}", laptop=False).topic.startswith(
        "arn:aws-cn:"
    )


@pytest.mark.parametrize(
    "url",
    [
        f"http://sns.us-west-2.amazonaws.com/?{QUERY}",
        f"https://sns.us-west-2.amazonaws.com.evil.example/?{QUERY}",
        f"https://evil.example/sns.us-west-2.amazonaws.com?{QUERY}",
        f"https://user@sns.us-west-2.amazonaws.com/?{QUERY}",
        f"https://sns.us-west-2.amazonaws.com:8443/?{QUERY}",
        f"https://sns-us-west-2.amazonaws.com/?{QUERY}",
        f"https://snsxus-west-2.amazonaws.com/?{QUERY}",
        f"https://s3.us-west-2.amazonaws.com/?{QUERY}",
        f"http://127.0.0.1:4000/?{QUERY}",
        f"ftp://sns.us-west-2.amazonaws.com/?{QUERY}",
        f"javascript:alert(1)//?{QUERY}",
        f"//sns.us-west-2.amazonaws.com/?{QUERY}",
        "https://[::1",
        "not a link",
        "",
        "https://sns.us-west-2.amazonaws.com/",
        "https://sns.us-west-2.amazonaws.com/?TopicArn=" + TOPIC,
        "https://sns.us-west-2.amazonaws.com/?Token=2336412f37fb",
        f"https://sns.us-west-2.amazonaws.com/?{QUERY}&Token=other",
        f"https://sns.us-west-2.amazonaws.com/?{QUERY.replace('2336412f', '%0d%0a')}",
        f"https://sns.eu-west-1.amazonaws.com/?{QUERY}",
        "https://sns.us-west-2.amazonaws.com/?TopicArn=x&Token=2336412f37fb",
    ],
)
def test_any_other_link_is_refused_with_a_reason(url: str) -> None:
    with pytest.raises(CliError) as refused:
        parse(url, laptop=False)
    assert refused.value.code == 2 and refused.value.message


def test_the_laptop_s_own_link_counts_on_the_laptop_alone() -> None:
    url = f"http://127.0.0.1:4000/?{QUERY}"
    assert parse(url, laptop=True).topic == TOPIC
    with pytest.raises(CliError, match="not to SNS"):
        parse(f"http://10.0.0.1:4000/?{QUERY}", laptop=True)
