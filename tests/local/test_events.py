"""Event patterns as EventBridge documents them, targets' input, schedules, and the outbox."""

import email
import email.policy
import json

import pytest

from tunestep.local import event_patterns
from tunestep.local.awsjson import AwsError
from tunestep.local.events import EventBus, Rule, rate_seconds
from tunestep.local.outbox import Outbox

EVENT = {
    "source": "aws.ec2",
    "detail-type": "EC2 Instance State-change Notification",
    "resources": ["arn:aws:ec2:us-west-2:1:instance/i-1", "arn:aws:ec2:us-west-2:1:instance/i-2"],
    "detail": {
        "state": "terminated",
        "c-count": 5,
        "d-count": 3,
        "x-limit": 3.018e2,
        "responseElements": None,
        "name": "",
        "ok": True,
        "file": "dir/photo.PNG",
        "items": [{"kind": "a", "size": 1}, {"kind": "b", "size": 9}],
    },
}

MATCHING = [
    {"source": ["aws.ec2"]},
    {"source": ["aws.s3", "aws.ec2"], "detail": {"state": ["terminated"]}},
    {"resources": ["arn:aws:ec2:us-west-2:1:instance/i-2"]},
    {"detail": {"name": [""]}},
    {"detail": {"responseElements": [None]}},
    {"detail": {"ok": [True]}},
    {"detail": {"x-limit": [301.8]}},
    {"detail": {"state": [{"prefix": "term"}]}},
    {"detail": {"state": [{"prefix": {"equals-ignore-case": "TERM"}}]}},
    {"detail": {"file": [{"suffix": ".PNG"}]}},
    {"detail": {"state": [{"equals-ignore-case": "Terminated"}]}},
    {"detail": {"file": [{"wildcard": "dir/*.PNG"}]}},
    {"detail": {"state": [{"anything-but": "initializing"}]}},
    {"detail": {"state": [{"anything-but": ["stopped", "overloaded"]}]}},
    {"detail": {"state": [{"anything-but": {"prefix": "init"}}]}},
    {"detail": {"c-count": [{"anything-but": [100, 200]}]}},
    {"detail": {"c-count": [{"numeric": [">", 0, "<=", 5]}], "d-count": [{"numeric": ["<", 10]}]}},
    {"detail": {"x-limit": [{"numeric": ["=", 3.018e2]}]}},
    {"detail": {"state": [{"exists": True}], "absent": [{"exists": False}]}},
    {"absent": {"inner": [{"exists": False}]}},
    {"$or": [{"source": ["x"]}, {"detail": {"c-count": [5]}}]},
    {"detail": {"items": {"kind": ["b"]}}},
    {"detail": {"state": ["x", {"prefix": "term"}]}},
]
NOT_MATCHING = [
    {"source": ["aws.s3"]},
    {"source": ["aws.ec2"], "detail": {"state": ["running"]}},
    {"detail": {"ok": [1]}},
    {"detail": {"c-count": ["5"]}},
    {"detail": {"c-count": [True]}},
    {"detail": {"absent": ["x"]}},
    {"detail": {"state": [{"exists": False}]}},
    {"detail": [{"exists": True}]},
    {"detail": {"absent": [{"anything-but": "x"}]}},
    {"detail": {"state": [{"anything-but": ["terminated"]}]}},
    {"detail": {"state": [{"anything-but": {"prefix": "term"}}]}},
    {"detail": {"state": [{"prefix": "Term"}]}},
    {"detail": {"file": [{"suffix": ".png"}]}},
    {"detail": {"c-count": [{"numeric": [">", 5]}]}},
    {"detail": {"state": [{"numeric": [">", 5]}]}},
    {"detail": {"file": [{"wildcard": "*.jpg"}]}},
    {"detail": {"responseElements": [""]}},
    {"detail": {"state": []}},
    {"detail": {"state": {"inner": ["x"]}}},
]


@pytest.mark.parametrize("pattern", MATCHING, ids=str)
def test_the_pattern_matches(pattern):
    event_patterns.check(pattern)
    assert event_patterns.matches(pattern, EVENT)


@pytest.mark.parametrize("pattern", NOT_MATCHING, ids=str)
def test_the_pattern_does_not_match(pattern):
    assert not event_patterns.matches(pattern, EVENT)


@pytest.mark.parametrize(
    "pattern", [{}, [], {"a": "b"}, {"a": {}}, {"a": [{"cidr": "10.0.0.0/24"}]}], ids=str
)
def test_a_pattern_that_is_not_known_is_refused(pattern):
    with pytest.raises(event_patterns.PatternInvalid):
        event_patterns.check(pattern)


INPUTS = [
    ({}, json.dumps(EVENT)),
    ({"Input": '{"a": 1}'}, '{"a": 1}'),
    ({"InputPath": "$.detail.items[1].kind"}, '"b"'),
    ({"InputPath": "$.detail.absent"}, "null"),
    (
        {
            "InputTransformer": {
                "InputPathsMap": {"s": "$.detail.state", "i": "$.detail.items"},
                "InputTemplate": '{"text": "it is \\"<s>\\"", "state": <s>, "items": <i>}',
            }
        },
        json.dumps({"text": 'it is "terminated"', "state": "terminated", "items": EVENT["detail"]["items"]}),
    ),
    ({"InputTransformer": {"InputTemplate": "<aws.events.event.json>"}}, json.dumps(EVENT)),
]


@pytest.mark.parametrize(("target", "text"), INPUTS)
def test_what_a_target_receives(target, text):
    assert json.loads(event_patterns.target_input(target, EVENT)) == json.loads(text)


def test_a_value_with_quotes_cannot_break_out_of_a_template():
    event = {"detail": {"name": '", "admin": "yes'}}
    transformer = {"InputPathsMap": {"n": "$.detail.name"}, "InputTemplate": '{"name": "<n>", "raw": <n>}'}
    text = event_patterns.target_input({"InputTransformer": transformer}, event)
    assert json.loads(text) == {"name": '", "admin": "yes', "raw": '", "admin": "yes'}


class Bus:
    """An EventBus whose clock and deliveries are lists."""

    def __init__(self, *rules):
        self.time, self.sent = 0.0, []
        self.bus = EventBus(
            rules=lambda: rules,
            deliver=lambda target, text: self.sent.append((target["Arn"], json.loads(text))),
            account="1",
            region="r",
            now=lambda: self.time,
            buses=lambda: ("default", "own"),
        )


def test_an_event_reaches_the_targets_of_the_rules_that_match_and_no_schedule():
    world = Bus(
        Rule("a", {"source": ["aws.ec2"]}, None, ({"Arn": "one"}, {"Arn": "two"})),
        Rule("b", {"source": ["aws.s3"]}, None, ({"Arn": "three"},)),
        Rule("c", None, "rate(1 hour)", ({"Arn": "four"},)),
    )
    world.bus.emit(EVENT)
    assert [arn for arn, _ in world.sent] == ["one", "two"]
    event = world.sent[0][1]
    assert (event["account"], event["region"], event["time"]) == ("1", "r", "1970-01-01T00:00:00Z")
    assert event["detail"] == EVENT["detail"]


def test_a_target_that_fails_does_not_keep_the_others_from_theirs(caplog):
    world = Bus(Rule("a", {"source": ["aws.ec2"]}, None, ({}, {"Arn": "two"})))
    world.bus.emit(EVENT)
    assert [arn for arn, _ in world.sent] == ["two"]
    assert "rule a" in caplog.text


def test_a_schedule_ticks_once_per_period_first_after_one_period():
    world = Bus(Rule("c", None, "rate(5 minutes)", ({"Arn": "x"},)))
    for moment in (0, 299, 300, 301, 599, 600, 3600, 3601):
        world.time = float(moment)
        world.bus.tick()
    assert len(world.sent) == 3
    assert world.sent[0][1]["detail-type"] == "Scheduled Event"


def test_after_an_absence_a_schedule_is_due_at_once_and_then_once_per_period():
    world = Bus(Rule("c", None, "rate(5 minutes)", ({"Arn": "x"},)))
    world.bus.resume()
    ticks = []
    for moment in (1000, 1001, 1299, 1300, 1301):
        world.time = float(moment)
        world.bus.tick()
        ticks.append(len(world.sent))
    assert ticks == [1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("text", "seconds"), [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(2 days)", 172800)]
)
def test_rates(text, seconds):
    assert rate_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["cron(0 12 * * ? *)", "rate(0 minutes)", "rate(5 seconds)", "", "at(2026-01-01)"]
)
def test_a_schedule_that_is_not_known_is_refused(text):
    with pytest.raises(event_patterns.PatternInvalid):
        rate_seconds(text)


def test_put_events_delivers_the_detail():
    world = Bus(Rule("a", {"source": ["mine"]}, None, ({"Arn": "one"},)))
    ids = world.bus.put_events([{"Source": "mine", "DetailType": "d", "Detail": '{"k": 1}'}])
    assert world.sent[0][1]["id"] == ids[0]
    assert world.sent[0][1]["detail"] == {"k": 1}


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [{"Source": "s", "DetailType": "d", "Detail": "{}"}] * 11,
        [{"DetailType": "d", "Detail": "{}"}],
        [{"Source": "s", "DetailType": "d", "Detail": "{"}],
        [{"Source": "s", "DetailType": "d", "Detail": "[]"}],
        [{"Source": "aws.s3", "DetailType": "Object Created", "Detail": "{}"}],
        [{"Source": "s", "DetailType": "d", "Detail": "{}", "EventBusName": "absent"}],
    ],
)
def test_put_events_refuses_what_eventbridge_refuses(entries):
    with pytest.raises(AwsError):
        Bus().bus.put_events(entries)


@pytest.mark.parametrize("name", ["own", "arn:aws:events:r:1:event-bus/own"])
def test_an_event_stays_on_its_bus(name):
    everything = {"source": [{"prefix": ""}]}
    world = Bus(
        Rule("same", everything, None, ({"Arn": "default"},)),
        Rule("same", everything, None, ({"Arn": "own"},), "own"),
    )
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}"}
    world.bus.put_events([entry])
    world.bus.put_events([{**entry, "EventBusName": name}])
    world.bus.emit_to("same", EVENT)
    assert [arn for arn, _ in world.sent] == ["default", "own", "default"]


def test_a_mail_lands_in_the_outbox_with_headers_on_one_line(tmp_path):
    path = Outbox(tmp_path / "outbox").deliver("a@b.example", "Done\r\nBcc: x@y", "line 1\nlïne 2\n")
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert mail["To"] == "a@b.example"
    assert mail["Bcc"] is None
    assert "\n" not in mail["Subject"]
    assert mail.get_content().split() == ["line", "1", "lïne", "2"]
    assert path.stat().st_mode & 0o077 == 0


def test_an_address_cannot_add_a_header(tmp_path):
    path = Outbox(tmp_path).deliver("a@b.example\r\nBcc: x@y", "s", "t")
    assert b"\r\nBcc" not in path.read_bytes()
