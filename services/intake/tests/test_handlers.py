"""The handler on a database of dictionaries: one report a key, refusals told, one progress for every order of events."""

import base64
import copy
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from intake_bench import NOW, Make, MakeDoor, asked

from huying.chassis.clock import FixedClock, ReplayClock
from huying.chassis.ledger import encode
from huying.chassis.message import API, Message
from huying.chassis.security import Principal, find_entry, sign, write_entry
from huying.contracts import topics
from huying.contracts.envelope import SIGNATURE_HEADER
from huying.contracts.reports import Reporter, ReportSubmittedV1
from huying.contracts.ticks import TickV1
from huying.intake import api
from huying.intake.domain.acceptance import Accepted, Refused, Repeated
from huying.intake.handlers import INBOUND, InboundRecord, Registration, Unmasking


async def test_the_same_key_twice_in_one_batch_and_later_is_one_report(door: Any, report: Make) -> None:
    first, second = await door.batch(asked(report()), asked(report()))
    (third,) = await door.batch(asked(report()))
    (other,) = await door.batch(asked(report(text="别的")))
    assert isinstance(first, Accepted)
    assert isinstance(second, Repeated)
    assert second.known.tracking_number == first.event.tracking_number == third.known.tracking_number
    assert isinstance(other, Refused)
    assert other.reason == "identity_reused"
    assert [out.topic for out in door.documents.events] == [topics.REPORTS]
    assert list(door.documents.rows("reports")) == [first.event.report_id]


async def test_a_refused_report_leaves_nothing(door: Any, report: Make) -> None:
    (answer,) = await door.batch(asked(report(channel="no_such", reporter={"phone": "13803191234"})))
    assert isinstance(answer, Refused)
    assert door.documents.events == []
    assert not any(collection.rows for collection in door.documents.collections.values())


async def test_a_name_or_number_is_in_the_vault_only_and_sealed(door: Any, report: Make) -> None:
    body = report(text="我叫张三丰，电话13803191234", reporter={"name": "张三丰", "phone": "13803191234"})
    (answer,) = await door.batch(asked(body))
    everything = repr([(name, c.rows) for name, c in door.documents.collections.items()]) + repr(door.documents.events)
    assert "张三丰" not in everything
    assert "13803191234" not in everything
    ref = answer.event.reporter.ref
    who = Principal("ops", "dispatcher")
    look, words, nothing = await door.batch(
        Message(API, "u1", Unmasking(ref, who, "回访")),
        Message(API, "u2", Unmasking(answer.event.report_id, who, "核对原文")),
        Message(API, "u3", Unmasking("ps-none", who, "回访")),
    )
    assert look == {"kind": "person", "told": [{"name": "张三丰", "phone": "13803191234"}]}
    assert words["told"][0]["text"] == "我叫张三丰，电话13803191234"
    assert nothing is None
    assert [(row["ref"], row["who"], row["purpose"]) for row in door.documents.rows("unmaskings").values()] == [
        (ref, "ops", "回访"),
        (answer.event.report_id, "ops", "核对原文"),
    ]


async def test_a_person_told_twice_keeps_both_spellings_under_one_reference(door: Any) -> None:
    one = Registration(Reporter(name="张三", phone="13803191234"), "s")
    two = Registration(Reporter(phone="138 0319 1234"), "s")
    first, second, third = await door.batch(*(Message(API, "r", each) for each in (one, two, one)))
    assert first.ref == second.ref == third.ref
    assert len(door.documents.rows("vault")[first.ref]["told"]) == 2


@pytest.fixture
def publisher(tmp_path: Path) -> str:
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    entry = {"id": "park", "role": "system", "sources": ["gov/park"], "public_key": public}
    write_entry(tmp_path / "keys.json", entry)
    return base64.b64encode(key.private_bytes_raw()).decode()


def inbound(private: str | None, data: bytes, name: str = "e1", source: str = "gov/park", key: str = "park") -> Message:
    header = sign("park", private, name, source, ReportSubmittedV1.TYPE, data) if private else ""
    return Message(
        INBOUND.name, name, InboundRecord(), key=key, source=source, headers={SIGNATURE_HEADER: header}, value=data
    )


async def test_a_signed_record_is_accepted_under_its_own_identity(door: Any, publisher: str, report: Make) -> None:
    message = inbound(publisher, report().encode())
    await door.batch(message, message)
    await door.batch(message)
    (out,) = door.documents.events
    assert (out.topic, out.key) == (topics.REPORTS, "130529")
    assert (out.event.source, out.event.origin_id, out.id) == ("gov/park", "e1", out.event.report_id)


async def test_every_refused_record_is_told_to_its_publisher(door: Any, publisher: str, report: Make) -> None:
    good = report().encode()
    stranger = base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()
    tampered = inbound(publisher, good, "e4")
    cases = {
        "unsigned": inbound(None, good, "e1"),
        "unknown_key": inbound(stranger, good, "e2"),
        "wrong_source": inbound(publisher, good, "e3", source="gov/other"),
        "invalid_data": inbound(publisher, b'{"jurisdiction":"130529","channel":"partner"}', "e5"),
        "unknown_jurisdiction": inbound(publisher, report(jurisdiction="110101").encode(), "e6"),
        "unknown_place": inbound(publisher, report(village_code="130529999999").encode(), "e7"),
        "invalid_identity": inbound(publisher, good, "e\n8"),
    }
    await door.batch(*cases.values(), inbound(publisher, good, "e9"))
    await door.batch(inbound(publisher, report(text="别的").encode(), "e9"))
    await door.batch(
        Message(
            INBOUND.name, "e4", InboundRecord(), key="park", source="gov/park", headers=tampered.headers, value=b"{}"
        )
    )
    accepted, refused = [], []
    for out in door.documents.events:
        (accepted if out.topic is topics.REPORTS else refused).append(out)
    assert [out.event.origin_id for out in accepted] == ["e9"]
    assert [out.event.reason.partition(":")[0] for out in refused] == [*cases, "identity_reused", "unknown_key"]
    assert {(out.topic, out.key, out.event.publisher) for out in refused} == {(topics.INBOUND_REJECTED, "park", "park")}
    fields = {out.event.reason.partition(":")[0]: out.event.field for out in refused}
    assert (fields["invalid_data"], fields["unknown_place"], fields["wrong_source"]) == (
        "text",
        "village_code",
        "source",
    )
    assert len({out.id for out in refused}) == len(refused)


async def test_a_record_for_another_jurisdiction_than_its_keys_is_refused_and_told(
    door: Any, publisher: str, report: Make, tmp_path: Path
) -> None:
    entry = find_entry(tmp_path / "keys.json", "park")
    assert entry is not None
    write_entry(tmp_path / "keys.json", entry | {"jurisdiction": "130530"})
    await door.batch(inbound(publisher, report().encode()))
    (out,) = door.documents.events
    assert (out.topic, out.event.publisher, out.event.field) == (topics.INBOUND_REJECTED, "park", "jurisdiction")
    assert out.event.reason.partition(":")[0] == "wrong_jurisdiction"


async def test_a_record_names_a_person_by_the_vaults_reference(door: Any, publisher: str, report: Make) -> None:
    told = Reporter(name="张三丰", phone="13803191234")
    more = [Reporter(phone="138 0319 1234", reference=f"park-{number}") for number in range(4)]
    kept, *_ = await door.batch(*(Message(API, "r", Registration(one, "park")) for one in (told, *more)))
    body = report(text="张三丰反映路灯不亮", reporter={"ref": kept.ref})
    sealed = copy.deepcopy(door.documents.rows("vault")[kept.ref])
    await door.batch(inbound(publisher, body.encode(), "e1"), asked(body, "k1"))
    assert [out.topic for out in door.documents.events] == [topics.REPORTS] * 2
    for out in door.documents.events:
        assert out.event.reporter == kept, "the reference and the mask that a report by HTTP has, too"
        assert out.event.text == "张**反映路灯不亮"
        assert door.documents.rows("reports")[out.id]["reporter"] == kept.ref
    assert door.documents.rows("vault")[kept.ref] == sealed, "naming somebody tells the vault nothing of them"


@pytest.mark.parametrize(
    ("names", "masked"),
    [(("王大力", "李梅"), "王**和李**"), (("李梅", "王大力"), "李**和王**"), (("张三", "张三丰"), "张**和张**")],
)
async def test_whoever_shares_a_telephone_is_hidden_in_a_text_that_names_its_reference(
    door: Any, publisher: str, report: Make, names: tuple[str, str], masked: str
) -> None:
    told = [Reporter(name=name, phone="13803191234") for name in names]
    kept, *_ = await door.batch(*(Message(API, "r", Registration(one, "park")) for one in told))
    body = report(text="和".join(names) + "反映路灯不亮", reporter={"ref": kept.ref})
    await door.batch(inbound(publisher, body.encode()))
    (out,) = door.documents.events
    assert out.event.text == masked + "反映路灯不亮"
    assert out.event.reporter.masked in {f"{name[:1]}** 138****1234" for name in names}


async def test_a_reference_that_the_vault_does_not_have_is_refused(door: Any, publisher: str, report: Make) -> None:
    (words,) = await door.batch(asked(report(text="电话13803191234"), "k1"))
    for name in ("ps-none", words.event.report_id):
        (answer,) = await door.batch(asked(report(reporter={"ref": name}), "k2"))
        assert (answer.reason, answer.field) == ("unknown_person", "reporter.ref")
        assert "/v1/vault/identities" in answer.message


async def test_a_person_in_clear_on_the_bus_is_refused_and_the_cure_named(
    door: Any, publisher: str, report: Make
) -> None:
    clear = {
        "name": {"name": "张三丰"},
        "phone": {"reference": "park-1", "phone": "13803191234"},
        "id_number": {"id_number": "13052919800101123X"},
        "reference": {"reference": "park-13803191234"},
    }
    records = [inbound(publisher, report(reporter=reporter).encode(), field) for field, reporter in clear.items()]
    await door.batch(
        *records, inbound(publisher, report(reporter={"reference": "park-4711", "name": ""}).encode(), "named")
    )
    *refused, accepted = door.documents.events
    for out, (field, reporter) in zip(refused, clear.items(), strict=True):
        assert (out.topic, out.event.field) == (topics.INBOUND_REJECTED, f"reporter.{field}")
        word, _, cure = out.event.reason.partition(": ")
        assert word == "personal_data"
        assert "reporter.ref" in cure
        assert reporter[field] not in out.event.reason
    assert (accepted.event.origin_id, accepted.event.reporter.masked) == ("named", "park-4711")
    assert door.documents.rows("vault").keys() == {accepted.event.reporter.ref}
    (again,) = await door.batch(asked(report(reporter=clear["name"]), "name"))
    assert isinstance(again, Accepted), "by HTTP, under the same identity"


async def test_a_record_that_was_accepted_before_is_a_repeat_whatever_it_has(
    door: Any, publisher: str, report: Make
) -> None:
    body = report(reporter={"name": "张三丰"})
    await door.batch(asked(body, "e1"))
    await door.batch(inbound(publisher, body.encode(), "e1"))
    assert [out.topic for out in door.documents.events] == [topics.REPORTS]


async def test_hostile_identities_and_keys_are_refused_and_do_not_stop_their_neighbours(
    door: Any, publisher: str, report: Make
) -> None:
    def hostile(name: str, source: str, key: str | None) -> Message:
        return Message(INBOUND.name, name, InboundRecord(), key=key, source=source, value=b"\xff\x00")

    await door.batch(
        hostile("\ud800", "\ud800", None), hostile("", "", "\x00"), inbound(publisher, report().encode(), "ok")
    )
    for out in door.documents.events:
        out.event.encode()
        out.key.encode()
    assert [out.topic for out in door.documents.events] == [topics.INBOUND_REJECTED] * 2 + [topics.REPORTS]


async def test_a_refusal_is_small_whatever_the_record_calls_itself(door: Any) -> None:
    long = Message(INBOUND.name, "e1", InboundRecord(), key="键" * 200_000, source="s" * 300_000, value=b"v" * 400_000)
    other = Message(INBOUND.name, "e1", InboundRecord(), key="键" * 200_001, source="s" * 300_000, value=b"v" * 400_000)
    await door.batch(long, other)
    rows = [encode(out, "intake", None) for out in door.documents.events]
    assert [row.size < 4096 for row in rows] == [True, True]
    assert len({row.event_id for row in rows}) == 2


async def test_a_future_date_is_refused_live_with_ten_minutes_and_in_a_replay_without(
    make_door: MakeDoor, report: Make
) -> None:
    class Wall(FixedClock):
        def stamp(self, hint: datetime | None) -> datetime:
            return self.instant

    async def fate(clock: Any, moment: datetime) -> Any:
        (answer,) = await make_door(clock).batch(asked(report(received_at=moment)))
        return answer

    replayed = ReplayClock()
    replayed.strike(TickV1(number=1, instant=NOW, until=NOW + timedelta(hours=1)))
    assert (await fate(Wall(NOW), NOW + timedelta(minutes=9))).event.accepted_at == NOW
    assert (await fate(Wall(NOW), NOW + timedelta(minutes=11))).reason == "future_date"
    inside = NOW + timedelta(minutes=59)
    assert (await fate(replayed, inside)).event.accepted_at == inside
    assert (await fate(replayed, NOW - timedelta(days=1))).event.accepted_at == NOW
    assert (await fate(replayed, NOW + timedelta(minutes=61))).reason == "future_date"


async def test_a_citizen_sees_where_the_report_is_after_any_number_of_merges(door: Any) -> None:
    rows = door.documents.rows("progress")
    for step in range(7):
        rows[f"in-{step}"] = {"_id": f"in-{step}", "merged_into": f"in-{step + 1}"}
    rows["in-7"] = {"_id": "in-7", "merged_into": "in-0"}  # a ring, which routing forbids, ends as well
    ground: Any = SimpleNamespace(mongo=door.documents)
    assert set(await api._incidents(ground, {"incidents": {"in-0": 0}})) == set(rows)
    assert await api._incidents(ground, {}) == {}
