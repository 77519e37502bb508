"""The link from the mail, opened by a program; and where its secret and the task token are afterwards."""

import email
import email.policy
import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from tests.local.laptop import LLAMA, Laptop, running, until

LINK = re.compile(r"http://127\.0\.0\.1:\d+/approvals/[\w-]{22}\?k=[\w-]{22}")


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    approvers = "approvers: [{id: ann, email: ann@example.com}]"
    with running(tmp_path_factory.mktemp("gate"), settings=approvers) as made:
        yield made


def _link(laptop: Laptop, run_id: str) -> str:
    def look() -> str:
        for file in (laptop.home / "outbox").glob("*.eml"):
            text = email.message_from_bytes(file.read_bytes(), policy=email.policy.default).get_content()
            if run_id in text and (found := LINK.search(text)):
                return found[0]
        return ""

    return str(until(look))


def _send(method: str, link: str, body: str = "", **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
    parts = urlsplit(link)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.request(method, f"{parts.path}?{parts.query}", body or None, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def _post(link: str, origin: str, **fields: str) -> int:
    kind = "application/x-www-form-urlencoded"
    return _send("POST", link, urlencode(fields), **{"Content-Type": kind, "Origin": origin})[0]


def _holding(folder: Path, secret: str) -> set[str]:
    """Files below a folder that hold a text, relative to it."""
    return {
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and not file.is_symlink() and secret.encode() in file.read_bytes()
    }


@pytest.mark.slow
def test_a_link_is_opened_and_decided_and_its_secret_is_in_the_mail_alone(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.request("link", base_model=LLAMA))
    laptop.waits_in(run_id, "AwaitApproval")
    waiting = laptop.item(run_id, "PENDING#approval")["token"]
    link = _link(laptop, run_id)
    secret, own = link.rpartition("=")[2], link.partition("/approvals/")[0]

    status, headers, text = _send("GET", link)
    assert (status, "A fine-tuning run needs your decision" in text) == (200, True)
    assert headers.get_all("Content-Security-Policy") == [headers["Content-Security-Policy"]]
    assert "form-action 'self'" in headers["Content-Security-Policy"]
    for scan in range(20):
        assert _send(("GET", "HEAD")[scan % 2], link, **{"Sec-Purpose": "prefetch"})[0] == 200
    assert _send("OPTIONS", link)[0] == 405
    assert laptop.item(run_id, "APPROVAL")["state"] == "PENDING"

    assert _post(link, "https://evil.example", decision="APPROVED", agree="yes") == 403
    assert _post(link, "null", decision="APPROVED", agree="yes") == 403
    assert _post(link[:-1] + ("A" if link[-1] != "A" else "B"), own, decision="APPROVED", agree="yes") == 404
    assert _post(link, own, decision="APPROVED", agree="yes") == 303
    assert laptop.ended(run_id)["status"] == "SUCCEEDED"
    said = [laptop(verb, run_id, "--local").stdout for verb in ("status", "results")]

    kept = {name for name in _holding(laptop.home, secret) if not name.startswith("journal.sqlite")}
    assert all(name.startswith("outbox/") for name in kept), kept
    known = ("journal.sqlite", "sfn.sqlite")
    assert {name for name in _holding(laptop.home, waiting) if not name.startswith(known)} == set()
    assert not [text for text in (*said, text) if waiting in text]
    assert not [text for text in said if secret in text]
