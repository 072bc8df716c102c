"""Medium `webhook`: a signed POST. It sends nothing twice that may have been taken, unless the receiver knows ids.

Headers: `Idempotency-Key` the notice id, `Huying-Timestamp` Unix seconds, `Huying-Signature` `v1=` and the hex
HMAC-SHA256 over timestamp, a full stop and the body. Refuse timestamps older than five minutes when you receive.
"""

import asyncio
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

import httpx

from ..settings import WebhookTarget
from .outcome import Outcome, Parcel

LONGEST_PAUSE = timedelta(minutes=1)
TRY_AGAIN = frozenset({408, 425, 429})
"""Refusals for the moment; every other 4xx is for good."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`v1=<hex>`."""
    return "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request came to, and why."""

    word: Literal["taken", "refused", "again", "unanswered"]
    reason: str = ""

    @property
    def counts(self) -> bool:
        """Whether it speaks of a receiver in trouble."""
        return self.word in {"again", "unanswered"}


async def post(client: httpx.AsyncClient, target: WebhookTarget, parcel: Parcel, now: datetime) -> Answer:
    """Send one notice; `now` is wall time."""
    body = json.dumps(parcel.payload(), ensure_ascii=False).encode()
    timestamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": parcel.notice_id,
        "Huying-Timestamp": timestamp,
        "Huying-Signature": signature(target.secret.get_secret_value(), timestamp, body),
    }
    patience = client.timeout
    whole_s = sum(part or 0 for part in (patience.connect, patience.write, patience.read))
    try:
        async with asyncio.timeout(whole_s or None):  # httpx waits so long for each byte: an answer in drops has no end
            response = await client.post(target.url, content=body, headers=headers)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        return Answer("again", f"not_reached: {type(error).__name__}")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        return Answer("refused", f"no_address: {type(error).__name__}")
    except (httpx.RequestError, TimeoutError) as error:  # also an answer that cannot be read: it may have been taken
        return Answer("unanswered", f"no_answer: {type(error).__name__}")
    if response.is_success:
        return Answer("taken")
    if response.is_server_error or response.status_code in TRY_AGAIN:
        return Answer("again", f"http_{response.status_code}")
    return Answer("refused", f"http_{response.status_code}")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a notice is tried, and how long between."""

    attempts: int
    first_pause: timedelta

    def outcome(
        self, parcel: Parcel, answer: Answer, takes_ids: bool, now: datetime, *, counts: bool = True
    ) -> Outcome:
        """From an answer to what becomes of the notice; one that does not count uses up no patience."""
        if answer.word == "taken":
            return Outcome(parcel.notice_id, "confirmed")
        if answer.word == "refused":
            return Outcome(parcel.notice_id, "failed", answer.reason)
        if answer.word == "unanswered" and not takes_ids:
            return Outcome(parcel.notice_id, "unknown", answer.reason)
        return self.again(parcel, answer.reason, now, unsure=answer.word == "unanswered", counts=counts)

    def again(
        self, parcel: Parcel, reason: str, now: datetime, *, unsure: bool = False, counts: bool = True
    ) -> Outcome:
        """Another attempt, or the end of patience: `unknown` where the last one may have been taken."""
        if counts and parcel.attempts + 1 >= self.attempts:
            return Outcome(parcel.notice_id, "unknown" if unsure else "failed", reason)
        pause = min(self.first_pause * 2**parcel.attempts, LONGEST_PAUSE)
        return Outcome(parcel.notice_id, "intent", reason, now + pause, counts, unsure)
