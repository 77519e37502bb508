"""The outbox: what SNS would send by e-mail, as .eml files to open with any mail program."""

import contextlib
import itertools
import os
import time
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path

from tunestep.text import one_line

SENDER = "no-reply@sns.amazonaws.com"
_SUBJECT_LIMIT = 100
_ADDRESS_LIMIT = 320


class Outbox:
    """A folder of mails, named by time and number so that they sort as they were sent."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._numbers = itertools.count(1)

    def deliver(self, address: str, subject: str, text: str) -> Path:
        """Write one mail; returns its path. Headers are cut to one line each."""
        mail = EmailMessage(policy=SMTP)
        mail["From"] = SENDER
        mail["To"] = one_line(address, _ADDRESS_LIMIT)
        mail["Subject"] = one_line(subject, _SUBJECT_LIMIT)
        mail["Date"] = formatdate(usegmt=True)
        mail.set_content(text)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        while True:
            path = self._folder / f"{stamp}-{next(self._numbers):04d}.eml"
            with contextlib.suppress(FileExistsError):
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(mail.as_bytes())
                return path
