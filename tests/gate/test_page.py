"""The page: what a link shows, what a form decides, and what changes nothing."""

import html as html_lib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gate.hostile import HOSTILE
from tests.gate.support import HOST, LAMBDA, Calls, Gate, event, gate, settings_of
from tests.support.run_world import RUN_ID, make_plan
from tunestep.gate import page, sections
from tunestep.gate.links import Visit
from tunestep.gate.requests import MAX_BODY
from tunestep.plan_model import LicencePlan
from tunestep.settings import Approver

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}


@pytest.fixture
def g() -> Iterator[Gate]:
    with gate() as made:
        yield made


def _other(link: str) -> str:
    """The link with another secret of the same form."""
    return link[:-1] + ("A" if link[-1] != "A" else "B")


def test_the_page_shows_what_is_agreed_to(g: Gate) -> None:
    answer = g.get(g.ask()["ann"])
    assert answer["statusCode"] == 200
    text = html_lib.unescape(answer["body"])
    for shown in (
        *("Llama 3.2", "https://example.com/licence", "Read it.", "1.2.0", "SFT", RUN_ID),
        *("meta-textgeneration-llama-3-2-1b-instruct", "The model is gated.", "Customer support"),
        *(
            "22 November 2026, 13:00 UTC",
            f"{g.item['requester']} ({g.item['requester_assurance']})",
            g.item["request_hash"],
        ),
    ):
        assert shown in text, shown


def test_what_certification_the_estimate_and_the_data_report_say_is_on_the_page(g: Gate) -> None:
    link = g.ask()["bob"]
    more = {
        "estimate": {"lines": ["1.2 million tokens", "no price set"]},
        "reward": {"kind": "function", "value": "math_answer", "code_sha256": "c0de"},
        "reward_verdict": "6 of 7 probes passed, 1 not run",
        "dataset": {"said": ["Training data: 24 rows"], "warnings": 2, "uri": "s3://b/d", "sha256": "abc"},
    }
    g.w.runs.update(f"RUN#{RUN_ID}", "APPROVAL", more)
    text = g.get(link)["body"]
    for shown in (
        "1.2 million tokens",
        "no price set",
        "math_answer",
        "c0de",
        "6 of 7 probes",
        "24 rows",
        "abc",
    ):
        assert shown in text, shown


def test_a_decision_is_recorded_delivered_and_shown_under_the_same_link(g: Gate) -> None:
    link = g.ask()["ann"]
    g.lets_go_on()
    answer = g.post(link)
    assert answer["statusCode"] == 303
    assert link.endswith(answer["headers"]["Location"])
    assert {name: g.item[name] for name in ("state", "actor", "channel", "assurance", "delivered")} == {
        "state": "APPROVED",
        "actor": "ann",
        "channel": "page",
        "assurance": "link holder",
        "delivered": True,
    }
    shown = g.get(link)
    assert (shown["statusCode"], "<form" in shown["body"]) == (200, False)
    assert "This run was approved" in shown["body"]
    g.w.done()


def test_declining_keeps_the_reason_and_shows_it_to_the_other_approver(g: Gate) -> None:
    links = g.ask()
    g.lets_go_on()
    assert g.post(links["bob"], {"decision": "DECLINED", "reason": "not <for> us"})["statusCode"] == 303
    shown = g.get(links["ann"])["body"]
    assert "This run was declined" in shown
    assert "not &lt;for&gt; us" in shown
    assert ">bob<" in shown


def test_a_second_click_is_the_first_one_again(g: Gate) -> None:
    link = g.ask()["ann"]
    g.lets_go_on()
    assert [g.post(link)["statusCode"] for _ in range(3)] == [303, 303, 303]
    assert g.item["actor"] == "ann"
    g.w.done()


def test_whoever_decides_second_is_told_who_was_first(g: Gate) -> None:
    links = g.ask()
    g.lets_go_on()
    g.post(links["ann"])
    late = g.post(links["bob"], {"decision": "DECLINED", "reason": "no"})
    assert late["statusCode"] == 409
    assert "Your decision was not counted" in late["body"]
    assert ">ann<" in late["body"]
    assert (g.item["state"], g.item["actor"]) == ("APPROVED", "ann")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"agree": None}, "agree"),
        ({"agree": "no"}, "agree"),
        ({"decision": None}, "decision"),
        ({"decision": "MAYBE"}, "decision"),
        ({"decision": "approved"}, "decision"),
        ({"decision": "DECLINED"}, "reason"),
        ({"decision": "DECLINED", "reason": " \n\t"}, "reason"),
    ],
)
def test_an_incomplete_form_comes_back_with_what_is_missing(
    g: Gate, fields: dict[str, Any], field: str
) -> None:
    link = g.ask()["ann"]
    answer = g.post(
        link, {"reason": "kept", **fields} if "reason" not in fields and field != "reason" else fields
    )
    assert answer["statusCode"] == 422
    assert f'href="#{field}"' in answer["body"]
    assert f'id="{field}"' in answer["body"]
    assert g.item["state"] == "PENDING"


def test_a_field_that_misses_something_says_so_itself(g: Gate) -> None:
    body = g.post(g.ask()["ann"], {"agree": None, "decision": "DECLINED", "reason": " "})["body"]
    wrong = {a["id"] for _, a in Elements(body).found if a.get("aria-invalid")}
    assert wrong == {"agree", "reason"}


def test_lines_of_ours_stand_under_their_own_labels_and_times_are_for_people() -> None:
    item = {
        "run_id": "r",
        "created_at": "2026-11-30T18:56:31Z",
        "dataset": {
            "said": [
                "Training data: 24 rows.",
                "Training content: SHA-256 ab; S3 version v.",
                "Decision: yes",
            ]
        },
        "estimate": {"lines": ["Cost: no price set", "Cost\n: forged"]},
    }
    shown = [(fact.label, fact.value) for section in sections.sections(item) for fact in section.facts]
    assert shown[:5] == [
        ("Training data", "24 rows."),
        ("Training content", "SHA-256 ab\nS3 version v"),
        ("Summary", "Decision: yes"),
        ("Cost", "no price set"),
        ("Estimate", "Cost\n: forged"),
    ]
    assert ("Asked at", "30 November 2026, 18:56 UTC") in shown


def test_what_was_typed_is_still_there_when_something_is_missing(g: Gate) -> None:
    body = g.post(g.ask()["ann"], {"agree": None, "decision": "DECLINED", "reason": "<b>why</b>"})["body"]
    assert "&lt;b&gt;why&lt;/b&gt;</textarea>" in body
    assert re.search(r'value="DECLINED"[^>]* checked', body)


@pytest.mark.parametrize("seconds", [0, 3599])
def test_the_form_works_until_the_last_second(g: Gate, seconds: int) -> None:
    link = g.ask()["ann"]
    g.w.clock.forward(seconds)
    g.lets_go_on()
    assert g.post(link)["statusCode"] == 303


def test_after_the_time_is_over_the_page_says_so_and_a_form_changes_nothing(g: Gate) -> None:
    link = g.ask()["ann"]
    g.w.clock.forward(3600)
    for answer in (g.get(link), g.post(link)):
        assert answer["statusCode"] == 410
        assert "The time to decide is over" in answer["body"]
        assert "Llama 3.2" in answer["body"]
    assert g.item["state"] == "PENDING"


def test_a_decision_in_the_last_second_that_the_run_no_longer_took_is_said_to_be_undelivered(g: Gate) -> None:
    link = g.ask()["ann"]
    g.w.clock.forward(3599)
    g.w.sfn_stub.add_client_error("send_task_success", "TaskTimedOut")
    assert g.post(link)["statusCode"] == 303
    assert (g.item["state"], g.item["delivered"]) == ("APPROVED", False)
    shown = g.get(link)["body"]
    assert "the run no longer waited" in shown
    assert "The time to decide is over" not in shown


@pytest.mark.parametrize(("closed", "said"), [(600, "was withdrawn"), (3600, "The time to decide is over")])
def test_a_question_whose_run_ended_is_told_from_one_that_ran_out_of_time(
    g: Gate, closed: int, said: str
) -> None:
    link = g.ask()["ann"]
    g.w.clock.forward(closed)
    g.w.runs.update(f"RUN#{RUN_ID}", "APPROVAL", {"state": "EXPIRED", "closed_at": g.w.context.timestamp()})
    for answer in (g.get(link), g.post(link)):
        assert (answer["statusCode"], said in answer["body"]) == (410, True)
    assert g.item["state"] == "EXPIRED"


def test_links_that_open_nothing_answer_alike_after_the_same_reads(g: Gate) -> None:
    link = g.ask()["ann"]
    base, _, secret = link.partition("?k=")
    wrong = [
        _other(link),
        f"{base}?k=",
        base,
        f"{base}?k={'A' * 22}",
        f"{base}?k={secret}&k={secret}",
        f"{base}?k={secret}%00",
        f"{base}?k={'é' * 22}",
        f"{_other(base)}?k={secret}",
        f"{base[:-3]}?k={secret}",
        f"{base}x?k={secret}",
        f"https://{HOST}/approvals/{'.' * 22}?k={secret}",
    ]
    calls = Calls(g.w.dynamodb)
    seen = set()
    for method in ("GET", "POST"):
        for one in wrong:
            answer = g.get(one) if method == "GET" else g.post(one)
            seen.add((answer["statusCode"], answer["body"], repr(answer["headers"]), tuple(calls.take())))
    assert len(seen) == 1
    ((status, _, _, reads),) = seen
    assert (status, reads) == (404, ("GetItem", "GetItem"))


def test_one_approver_s_secret_is_not_the_other_s(g: Gate) -> None:
    links = g.ask()
    assert links["ann"].partition("?k=")[0] == links["bob"].partition("?k=")[0]
    assert "of <strong>ann</strong>" in g.get(links["ann"])["body"]
    assert "of <strong>bob</strong>" in g.get(links["bob"])["body"]


def test_somebody_taken_off_the_list_holds_a_link_that_opens_nothing(g: Gate) -> None:
    links = g.ask()
    g.w.context = settings_of(g.w.context, Approver(id="bob", email="bob@example.com"))
    assert g.get(links["ann"])["statusCode"] == 404
    assert g.post(links["ann"])["statusCode"] == 404
    assert g.get(links["bob"])["statusCode"] == 200


SCANNERS: list[dict[str, Any]] = [
    {"headers": {"purpose": "prefetch"}},
    {"headers": {"sec-purpose": "prefetch;prerender"}},
    {"headers": {"x-moz": "prefetch"}},
    {"headers": {"user-agent": "Mozilla/5.0 (compatible; SafeLinks)"}},
    {"headers": {"x-http-method-override": "POST"}},
    {
        "headers": {"content-type": "application/x-www-form-urlencoded"},
        "body": b"decision=APPROVED&agree=yes",
    },
]


def test_reading_changes_nothing_however_often_and_by_whatever_method(g: Gate) -> None:
    link = g.ask()["ann"]
    calls, before = Calls(g.w.dynamodb), g.item
    calls.take()
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"):
        for options in SCANNERS * 4:
            g.send(method, link + "&decision=APPROVED&agree=yes", **options)
            g.send(method, link, **options)
    assert not WRITES & set(calls.take())
    assert g.item == before
    g.w.done()


def test_head_answers_as_get_without_a_body(g: Gate) -> None:
    link = g.ask()["ann"]
    get, head = g.get(link), g.send("HEAD", link)
    assert (head["statusCode"], head["headers"], head["body"]) == (200, get["headers"], "")


REFUSED: list[tuple[int, dict[str, Any]]] = [
    (403, {"headers": {"origin": "https://evil.example"}}),
    (403, {"headers": {"origin": f"https://{HOST}.evil.example"}}),
    (403, {"headers": {"origin": f"https://{HOST}:444"}}),
    (403, {"headers": {"origin": "null"}}),
    (403, {"headers": {"origin": "null", "sec-fetch-site": "cross-site"}}),
    (403, {"headers": {"origin": "https://[broken"}}),
    (403, {"headers": {"sec-fetch-site": "cross-site"}}),
    (403, {"headers": {"sec-fetch-site": "same-site"}}),
    (403, {"headers": {"origin": None, "sec-fetch-site": "cross-site"}}),
    (415, {"headers": {"content-type": "application/json"}}),
    (415, {"headers": {"content-type": "multipart/form-data; boundary=x"}}),
    (415, {"headers": {"content-type": "text/plain"}}),
    (415, {"headers": {"content-type": None}}),
    (413, {"body": b"reason=" + b"x" * MAX_BODY}),
    (400, {"body": b"decision=%ff\xff&agree=yes"}),
    (400, {"body": "&".join(f"f{n}=1" for n in range(50)).encode()}),
    (400, {"body": b"decision=APPROVED&decision=DECLINED&agree=yes"}),
]


def test_a_form_that_the_page_does_not_send_is_refused_before_anything_is_read(g: Gate) -> None:
    link = g.ask()["ann"]
    calls = Calls(g.w.dynamodb)
    for status, options in REFUSED:
        assert g.post(link, **options)["statusCode"] == status, options
    assert calls.take() == []
    assert g.item["state"] == "PENDING"


def test_a_body_that_is_not_base64_is_refused(g: Gate) -> None:
    link = g.ask()["ann"]
    kind = {"content-type": "application/x-www-form-urlencoded"}
    broken = event("POST", link, headers=kind) | {"body": "%%%", "isBase64Encoded": True}
    assert g.api.app.resolve(broken, LAMBDA)["statusCode"] == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": None},
        {"origin": f"https://{HOST}"},
        {"origin": f"https://{HOST}", "sec-fetch-site": "same-origin"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"origin": None, "sec-fetch-site": "none"},
    ],
)
def test_the_page_s_own_form_is_taken_from_every_browser(g: Gate, headers: dict[str, str | None]) -> None:
    link = g.ask()["ann"]
    g.lets_go_on()
    assert g.post(link, headers=headers)["statusCode"] == 303


@pytest.mark.slow
def test_a_thousand_bad_posts_write_nothing(g: Gate) -> None:
    link = g.ask()["ann"]
    calls = Calls(g.w.dynamodb)
    calls.take()
    refused = [options for _, options in REFUSED]
    for number in range(1000):
        match number % 4:
            case 0:
                g.post(_other(link))
            case 1:
                g.post(link, {"agree": None})
            case _:
                g.post(link, **refused[number % len(refused)])
    assert not WRITES & set(calls.take())
    assert g.item["state"] == "PENDING"


def test_a_table_that_does_not_answer_is_said_plainly(g: Gate) -> None:
    link = g.ask()["ann"]
    g.w.dynamodb.delete_table(TableName="tunestep-runs")
    assert [g.get(link)["statusCode"], g.post(link)["statusCode"]] == [503, 503]


def test_a_path_that_is_no_page_is_a_link_that_opens_nothing(g: Gate) -> None:
    for path in ("/", "/favicon.ico", "/approvals/", "/approvals/a/b", "/admin"):
        answer = g.get(f"https://{HOST}{path}")
        assert (answer["statusCode"], answer["body"]) == (404, page.unknown().html)


def test_every_answer_keeps_to_itself(g: Gate) -> None:
    link = g.ask()["ann"]
    answers = [g.get(link), g.get(_other(link)), g.post(link, {"agree": None}), g.get(f"https://{HOST}/x")]
    answers.append(g.post(link, headers={"origin": "https://evil.example"}))
    g.lets_go_on()
    answers.append(g.post(link))
    for answer in answers:
        headers = answer["headers"]
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["form-action"] == "'self'"
        assert "script-src" not in policy
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in headers["X-Robots-Tag"]
        assert headers["X-Frame-Options"] == "DENY"


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _visit(text: str) -> Visit:
    everything = dict.fromkeys(
        (
            *(
                "model_name",
                "model_version",
                "model_arn",
                "source_model_package_arn",
                "technique",
                "use_case",
            ),
            *(
                "reason_needed",
                "reward_verdict",
                "requester",
                "requester_assurance",
                "request_hash",
                "run_id",
            ),
            *("actor", "reason", "decided_at", "assurance", "undelivered", "decided_in_run", "created_at"),
        ),
        text,
    )
    parts = {
        "licence": dict.fromkeys(("name", "url", "text_uri", "text_sha256", "statement", "revision"), text),
        "reward": dict.fromkeys(("kind", "value", "function_arn", "code_sha256", "prompt_uri"), text),
        "dataset": {"said": [text], "warnings": text, "uri": text, "sha256": text},
        "estimate": {"lines": [text, text]},
    }
    item = {**everything, **parts, "expires_at": 2_000_000_000, "state": "PENDING"}
    return Visit("r", item, Approver(id="ann"))


def _texts() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(sorted(HOSTILE.values())), st.text(max_size=60))


def _harmless(document: str) -> None:
    elements = Elements(document)
    assert elements.open == []
    allowed = {
        *(
            "html",
            "head",
            "meta",
            "title",
            "link",
            "style",
            "body",
            "main",
            "h1",
            "h2",
            "p",
            "strong",
            "time",
        ),
        *(
            "section",
            "dl",
            "div",
            "dt",
            "dd",
            "span",
            "a",
            "form",
            "fieldset",
            "legend",
            "label",
            "input",
            "b",
        ),
        *("textarea", "button", "ul", "li"),
    }
    for tag, attributes in elements.found:
        assert tag in allowed, tag
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "a":
            assert (attributes.get("href") or "").startswith(("https://", "#"))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", document)


@settings(deadline=None)
@given(_texts(), _texts())
def test_nobody_s_text_becomes_markup_or_moves_other_text(text: str, typed: str) -> None:
    visit = _visit(text)
    faults = (page.Fault("agree", "Tick."),)
    _harmless(page.question(visit, faults, page.Typed("DECLINED", typed)).html)
    for state in ("APPROVED", "DECLINED", "EXPIRED"):
        _harmless(page.of_visit(visit._replace(item={**visit.item, "state": state}), 0).html)
    _harmless(page.refused(403, text).html)


@pytest.mark.parametrize(
    ("url", "links"),
    [
        ("https://www.llama.com/llama3_2/license/", True),
        ("http://www.llama.com/", False),
        ("javascript:alert(1)", False),
        ("https://a b", False),
        ('https://a"b', False),
        ("https://аррӏе.com", False),
        ("https://x\u202e", False),
        ("", False),
    ],
)
def test_only_an_https_address_in_plain_characters_becomes_a_link(url: str, links: bool) -> None:
    assert sections.linkable(url) is links


def test_the_page_can_be_read_and_used_without_seeing_it(g: Gate) -> None:
    document = g.post(g.ask()["ann"], {"agree": None})["body"]
    elements = Elements(document).found
    by_id = {attributes["id"] for _, attributes in elements if attributes.get("id")}
    labelled = {attributes["for"] for tag, attributes in elements if tag == "label"}
    fields = [a for tag, a in elements if tag in ("input", "textarea")]
    assert {a["id"] for a in fields} == labelled
    assert len(by_id) == len([1 for _, a in elements if a.get("id")])
    assert all(a["aria-labelledby"] in by_id for _, a in elements if a.get("aria-labelledby"))
    assert [tag for tag, _ in elements].count("h1") == 1
    assert next(a for tag, a in elements if tag == "html")["lang"] == "en"
    assert any(a.get("role") == "alert" for _, a in elements)


def test_the_page_asks_nothing_of_other_hosts_and_runs_nothing(g: Gate) -> None:
    for tag, attributes in Elements(g.get(g.ask()["ann"])["body"]).found:
        assert tag not in ("script", "img", "iframe", "object", "embed")
        assert "src" not in attributes
        assert "style" not in attributes
        if tag == "a" and (attributes.get("href") or "").startswith("http"):
            assert {"noopener", "noreferrer"} <= set((attributes["rel"] or "").split())


def test_a_licence_that_nobody_knows_is_shown_as_unknown(g: Gate) -> None:
    unknown = LicencePlan(name="unknown", statement="The licence of this model is not known.", known=False)
    g.w.begin(make_plan(licence=unknown))
    body = g.get(g.ask()["ann"])["body"]
    assert "The licence of this model is not known." in body
    assert "<a href" not in body
