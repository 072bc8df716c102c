"""Files and signed requests: idempotent by id where it can be, honest about what is not known where it cannot."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO

import httpx
import pytest
from receiver import Receiver

from huying.notification.delivery import file
from huying.notification.delivery.file import Outbox, file_of, ids_in
from huying.notification.delivery.outcome import Parcel
from huying.notification.delivery.webhook import Answer, Patience, post
from huying.notification.settings import WebhookTarget

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
DUTY = "unit:U02:duty_officer"


def parcel(name: str, recipient: str = DUTY, **more: object) -> Parcel:
    plain = Parcel(name, "A", NOW, recipient, "duty_officer", "hook", "dispatched", "【派单】", "路灯不亮")
    return replace(plain, **more)  # type: ignore[arg-type]


def ids(path: Path) -> list[str]:
    return [json.loads(line)["notice_id"] for line in path.read_bytes().splitlines() if line.endswith(b"}")]


def test_each_recipient_has_a_file_with_a_line_a_notice(tmp_path: Path) -> None:
    outcomes = Outbox(tmp_path).append([parcel("n1"), parcel("n2", "reporter:王/../x"), parcel("n3")])
    assert [(outcome.notice_id, outcome.state) for outcome in outcomes] == [
        (n, "confirmed") for n in ("n1", "n2", "n3")
    ]
    assert ids(tmp_path / "unit:U02:duty_officer.jsonl") == ["n1", "n3"]
    assert "路灯不亮" in (tmp_path / "unit:U02:duty_officer.jsonl").read_text("utf-8")
    assert len(list(tmp_path.iterdir())) == 2


def test_nobody_outside_of_the_services_group_reads_a_notice(tmp_path: Path) -> None:
    Outbox(tmp_path / "out").append([parcel("n1")])
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750
    assert file_of(tmp_path / "out", DUTY).stat().st_mode & 0o777 == 0o640


def test_a_recipient_cannot_leave_the_folder_and_a_long_one_still_has_a_file(tmp_path: Path) -> None:
    assert file_of(tmp_path, "reporter:../../etc/passwd").parent == tmp_path
    assert file_of(tmp_path, "..").name == "...jsonl"
    long = [file_of(tmp_path, f"reporter:{'王' * 150}{n}").name for n in range(2)]
    assert len(set(long)) == 2
    assert max(map(len, long)) < 250


def test_a_notice_that_somebody_began_is_written_once_even_after_a_torn_line(tmp_path: Path) -> None:
    Outbox(tmp_path).append([parcel("n1")])
    path = file_of(tmp_path, DUTY)
    with path.open("ab") as torn:
        torn.write(b'{"notice_id": "n2", "tex')
    Outbox(tmp_path).append([parcel(name, resumed=True) for name in ("n1", "n2", "n3")])
    Outbox(tmp_path).append([parcel(name, resumed=True) for name in ("n1", "n2", "n3")])
    assert ids(path) == ["n1", "n2", "n3"]
    Outbox(tmp_path).append([parcel("n3", attempts=1)])
    assert ids(path) == ["n1", "n2", "n3"]


@pytest.mark.parametrize("earlier", [[], [parcel("n0")]])
def test_a_sender_that_stood_still_adds_nothing_to_what_its_successor_wrote(
    tmp_path: Path, earlier: list[Parcel]
) -> None:
    frozen, successor = Outbox(tmp_path), Outbox(tmp_path)
    frozen.append(earlier)
    successor.append([parcel("n1", resumed=True), parcel("n2")])
    frozen.append([parcel("n1"), parcel("n3")])
    successor.append([parcel("n3", resumed=True), parcel("n4")])
    frozen.append([parcel("n4")])
    assert ids(file_of(tmp_path, DUTY)) == [*(one.notice_id for one in earlier), "n1", "n2", "n3", "n4"]


@pytest.mark.parametrize("how", ["moved", "emptied"])
def test_a_file_that_the_countys_system_put_away_is_begun_anew(tmp_path: Path, how: str) -> None:
    outbox, path = Outbox(tmp_path), file_of(tmp_path, DUTY)
    outbox.append([parcel("n1"), parcel("n2")])
    if how == "moved":
        path.rename(tmp_path / "taken.jsonl")
    else:
        path.write_bytes(b"")
    Outbox(tmp_path).append([parcel("n3")])
    outbox.append([parcel("n3"), parcel("n4")])
    assert ids(path) == ["n3", "n4"]


def test_only_what_came_since_is_looked_through_and_all_of_a_file_that_was_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[int] = []

    def noted(opened: IO[bytes], start: int = 0) -> frozenset[str]:
        starts.append(start)
        return ids_in(opened, start)

    monkeypatch.setattr(file, "ids_in", noted)
    monkeypatch.setattr(file, "REMEMBERED", 1)
    outbox = Outbox(tmp_path)
    outbox.append([parcel("n1")])
    size = file_of(tmp_path, DUTY).stat().st_size
    outbox.append([parcel("n2")])
    outbox.append([parcel("n3", "reporter:li")])
    outbox.append([parcel("n4")])
    assert starts == [0, size, 0, 0]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=httpx.Timeout(5, read=0.2)) as opened:
        yield opened


def target(receiver: Receiver) -> WebhookTarget:
    return WebhookTarget.model_validate({"url": receiver.url, "secret": "geheim"})


async def test_a_request_carries_its_id_and_a_signature_over_time_and_body(
    receiver: Receiver, client: httpx.AsyncClient
) -> None:
    answer = await post(client, target(receiver), parcel("n1"), NOW)
    [taken] = receiver.taken
    assert answer == Answer("taken")
    assert taken.headers["idempotency-key"] == "n1"
    assert taken.headers["huying-timestamp"] == str(int(NOW.timestamp()))
    signed = taken.headers["huying-timestamp"].encode() + b"." + taken.body
    assert taken.headers["huying-signature"] == "v1=" + hmac.new(b"geheim", signed, sha256).hexdigest()
    assert json.loads(taken.body)["text"] == "路灯不亮"


@pytest.mark.parametrize(
    ("answer", "word", "reason"),
    [
        (200, "taken", ""),
        (503, "again", "http_503"),
        (429, "again", "http_429"),
        (400, "refused", "http_400"),
        (302, "refused", "http_302"),
        ("hang", "unanswered", "no_answer: ReadTimeout"),
        ("drop", "unanswered", "no_answer: RemoteProtocolError"),
        ("garble", "unanswered", "no_answer: DecodingError"),
    ],
)
async def test_what_a_receiver_answers_is_read_for_what_it_proves(
    receiver: Receiver, client: httpx.AsyncClient, answer: int | str, word: str, reason: str
) -> None:
    receiver.answers = [answer]
    found = await post(client, target(receiver), parcel("n1"), NOW)
    assert (found.word, found.reason) == (word, reason)
    assert len(receiver.taken) == 1


async def test_an_answer_that_comes_in_drops_is_not_waited_for_without_end(receiver: Receiver) -> None:
    receiver.answers = ["drip"]
    async with asyncio.timeout(5), httpx.AsyncClient(timeout=0.1) as client:
        found = await post(client, target(receiver), parcel("n1"), NOW)
    assert (found.word, found.reason) == ("unanswered", "no_answer: TimeoutError")
    assert len(receiver.taken) == 1


async def test_a_receiver_that_is_not_there_was_not_reached(receiver: Receiver, client: httpx.AsyncClient) -> None:
    gone = target(receiver)
    await receiver.__aexit__()
    answer = await post(client, gone, parcel("n1"), NOW)
    assert (answer.word, answer.reason) == ("again", "not_reached: ConnectError")


@pytest.mark.parametrize("url", ["http://", "http://hall:port/hook", "http://[::1/hook"])
async def test_an_address_that_leads_nowhere_is_refused_and_not_tried_again(
    client: httpx.AsyncClient, url: str
) -> None:
    nowhere = WebhookTarget.model_validate({"url": url, "secret": "geheim"})
    answer = await post(client, nowhere, parcel("n1"), NOW)
    assert answer.word == "refused"
    assert answer.reason.startswith("no_address: ")


PATIENCE = Patience(attempts=4, first_pause=timedelta(seconds=1))


@pytest.mark.parametrize(
    ("word", "takes_ids", "attempts", "state"),
    [
        ("taken", False, 0, "confirmed"),
        ("refused", True, 0, "failed"),
        ("again", False, 0, "intent"),
        ("again", False, 3, "failed"),
        ("unanswered", False, 0, "unknown"),
        ("unanswered", True, 0, "intent"),
        ("unanswered", True, 3, "unknown"),
    ],
)
def test_what_may_have_been_taken_is_never_sent_blindly_again(
    word: str, takes_ids: bool, attempts: int, state: str
) -> None:
    answer = Answer(word, "because")  # type: ignore[arg-type]
    assert PATIENCE.outcome(parcel("n1", attempts=attempts), answer, takes_ids, NOW).state == state


@pytest.mark.parametrize("word", ["again", "unanswered"])
def test_what_does_not_count_is_tried_again_past_the_last_attempt(word: str) -> None:
    answer = Answer(word, "because")  # type: ignore[arg-type]
    outcome = PATIENCE.outcome(parcel("n1", attempts=9), answer, takes_ids=True, now=NOW, counts=False)
    assert (outcome.state, outcome.counts) == ("intent", False)


def test_pauses_double_and_end_at_a_minute() -> None:
    patient = Patience(attempts=20, first_pause=timedelta(seconds=1))
    pauses = [patient.again(parcel("n1", attempts=n), "http_503", NOW).next_try_at for n in range(10)]
    assert [(at - NOW).total_seconds() for at in pauses if at] == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
