"""An order's life across the services: what people command is seen by the citizen, the clocks, those who are told."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from huying.chassis.testing import until
from huying.contracts.ratings import RatingInvitedV1, ReviewDueV1
from huying.contracts.topics import RATINGS, SOURCES
from huying.devkit import logbook
from huying.devkit.books import books_of
from huying.devkit.replay.quiet import CONSUMES
from huying.devkit.running import System
from huying.devkit.stack import Stack, cluster
from huying.devkit.verify import prove

SERVICES = ("intake", "routing", "sla-timer", "notification", "evaluation")
PATIENCE_S = 60.0
NUMBERS = ("１３８ 1234 5678", "+86-139-1234-5678", "130529 19900101 123X", "0319-4332211")
"""As staff and citizens write them."""

pytestmark = [pytest.mark.system, pytest.mark.wire, pytest.mark.timeout(240)]


@pytest.fixture
def system(fresh_stack: Callable[..., Stack]) -> Iterator[System]:
    with System(fresh_stack(), "orders", clock="live", services=SERVICES) as running:
        yield running


class People:
    """A citizen and a dispatcher at the public doors."""

    def __init__(self, system: System, client: httpx.AsyncClient) -> None:
        self.system, self.client, self.number = system, client, 0

    async def tell(self, text: str, village: str, who: str) -> str:
        """A report; its tracking number."""
        self.number += 1
        body = {"jurisdiction": "130529", "channel": "citizen_app", "text": text, "village_code": village}
        headers = {**self.system.headers("door"), "Idempotency-Key": f"report-{self.number}"}
        url = f"{self.system.url('intake')}/v1/reports"
        answer = await self.client.post(url, json=body | {"reporter": {"reference": who}}, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["tracking_number"])

    async def page(self, tracking: str) -> dict[str, Any]:
        """What the citizen sees."""
        answer = await self.client.get(f"{self.system.url('intake')}/v1/reports/{tracking}")
        return dict(answer.json())

    async def sees(self, tracking: str, what: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the citizen sees it."""

        async def seen() -> dict[str, Any] | None:
            page = await self.page(tracking)
            return page if condition(page) else None

        found: dict[str, Any] = await until(seen, what, PATIENCE_S)
        return found

    async def wish(self, incident: str, key: str = "dispatcher", **action: Any) -> httpx.Response:
        """A command, and routing's word."""
        self.number += 1
        headers = {**self.system.headers(key), "Idempotency-Key": f"wish-{self.number}"}
        url = f"{self.system.url('routing')}/v1/incidents/{incident}/commands"
        return await self.client.post(url, json={"action": action}, headers=headers)

    async def done(self, incident: str, key: str = "dispatcher", **action: Any) -> None:
        answer = await self.wish(incident, key, **action)
        assert answer.status_code == 200, answer.text


async def proved(system: System) -> bool:
    """Whether all is quiet and the log proves it; a violation fails at once."""
    log = await logbook.read(system.stack.bootstrap, SOURCES)
    broker = await cluster.cluster_id(system.stack.bootstrap) or ""
    proof = prove(log, await books_of(system.stack.mongo_url, "orders"), broker, CONSUMES.keys() - set(SERVICES))
    assert not proof.violations - proof.found["ledger_differs"] - proof.found["unpublished"], proof.examples
    return proof.violations == 0


def test_what_people_command_is_seen_by_the_citizen_the_clocks_and_those_who_are_told(
    system: System, tmp_path: Path
) -> None:
    lamp = asyncio.run(_story(system))
    other = tmp_path / "pack"
    shutil.copytree(system.installation.pack, other)
    duties = other / "duties.csv"
    duties.write_text(duties.read_text("utf-8").replace("M02,any,U02,", "M02,any,U03,"), "utf-8")
    huying = Path(sys.executable).with_name("huying")
    told = subprocess.run(
        [huying, "whatif", "--pack", other, "--since", "2026-01-01", "--json", "--kafka", system.stack.bootstrap],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer = json.loads(told.stdout)
    assert answer["looked_at"] == 3
    assert [(one["incident_id"], one["old_unit"], one["new_unit"]) for one in answer["changed"]] == [
        (lamp, "U02", "U03")
    ]


async def _story(system: System) -> str:
    """The whole story; the incident of the lamp."""
    books: Any = MongoClient(system.stack.mongo_url, tz_aware=True)
    incidents, timers = books["orders_routing"]["incidents"], books["orders_sla_timer"]["timers"]
    notices = books["orders_notification"]["notices"]

    def clocks(incident: str, kind: str) -> list[dict[str, Any]]:
        return list(timers.find({"incident_id": incident, "kind": kind}).sort("created_at", 1))

    async def told(template: str) -> None:
        await until(lambda: notices.count_documents({"template": template}) > 0, f"{template} written", PATIENCE_S)

    async with httpx.AsyncClient(timeout=20) as client:
        people = People(system, client)
        lamp = await people.tell("村口的路灯不亮了，晚上看不见路", "130529100001", "wang")
        water = await people.tell("自来水停了三天，一点水也没有", "130529101001", "li")
        first = await people.sees(lamp, "dispatched", lambda page: page["unit"] is not None and page["until"])
        second = await people.sees(water, "dispatched", lambda page: page["unit"] is not None)
        one = incidents.find_one({"number": first["incident_number"]})["_id"]
        other = incidents.find_one({"number": second["incident_number"]})["_id"]

        await people.done(one, kind="merge", into=other, reason="其实是一件事")
        merged = await people.sees(lamp, "the merge", lambda page: page["incident_number"] == second["incident_number"])
        assert merged["unit"] == second["unit"]
        await until(lambda: all(c["verdict"] == "void" for c in clocks(one, "response")), "its clocks end")
        await told("reporter_joined")

        await people.done(one, kind="undo_merge", reason="不是一件事")
        back = await people.sees(
            lamp, "the undoing", lambda page: page["incident_number"] == first["incident_number"] and page["until"]
        )
        assert back["until"] == first["until"], "the citizen's clock has not moved"
        await told("reporter_split")

        await people.done(one, "unit-U02", kind="accept")
        pause_until = datetime.now(UTC) + timedelta(days=20)
        await people.done(one, "unit-U02", kind="suspend", reason="等灯具到货", until=pause_until.isoformat())
        await people.sees(lamp, "the pause", lambda page: page["paused"])
        await told("reporter_paused")
        await people.done(one, "unit-U02", kind="resume")
        await told("reporter_resumed")
        later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=60)
        await people.done(one, "unit-U02", kind="request_extension", reason="等灯具到货", until=later.isoformat())
        refused = await people.wish(one, "unit-U02", kind="approve_extension")
        assert refused.status_code == 409, (refused.status_code, refused.text)
        assert (refused.status_code, refused.json()["reason"]) == (409, "not_allowed")
        await people.done(one, kind="approve_extension")
        page = await people.sees(lamp, "the extension", lambda page: page["extensions"] == 1)
        assert datetime.fromisoformat(page["until"]) == later
        assert not page["paused"]

        for _ in range(2):
            await people.done(other, kind="return", reason="不归我们管", basis="职责清单")
        await people.sees(water, "the wait for a ruling", lambda page: page["state"] == "adjudicating")
        await until(lambda: clocks(other, "adjudication"), "the ruling has a clock")
        illegal = await people.wish(other, kind="accept")
        assert (illegal.status_code, illegal.json()["state"]) == (409, "adjudicating")
        assert "rule" in illegal.json()["legal"]
        await people.done(other, kind="rule", unit="U08", basis="县政府会议纪要", scope="county")
        ruled = await people.sees(water, "the ruling", lambda page: page["unit"] is not None)
        assert ruled["unit"]["code"] == "U08"
        catalogue = await client.get(f"{system.url('routing')}/v1/catalogue", headers=system.headers("dispatcher"))
        assert catalogue.json()["version"] == f"{catalogue.json()['listed']}+1"
        assert catalogue.json()["rulings"][0]["basis"] == "县政府会议纪要"
        await until(lambda: clocks(other, "adjudication")[0]["verdict"] == "on_time", "the ruling's clock ends")
        third = await people.tell("我家也停水了，什么时候来水", "130529104201", "zhao")
        again = await people.sees(third, "dispatched by the new catalogue", lambda page: page["unit"] is not None)
        assert again["unit"]["code"] == "U08"

    await until(lambda: proved(system), "quiet, and proved from the log", PATIENCE_S)
    books.close()
    return str(one)


async def told(system: System, kind: Any) -> list[Any]:
    """What evaluation told of this kind, in order."""
    log = await logbook.read(system.stack.bootstrap, (RATINGS,))
    events = [record.event for record in log[RATINGS.name] if record.event and record.event.type == kind.TYPE]
    return [kind.model_validate_json(event.data) for event in events]


def test_dissatisfied_once_is_done_again_and_dissatisfied_twice_is_reviewed(system: System) -> None:
    asyncio.run(_unhappy(system))


async def _unhappy(system: System) -> None:
    books: Any = MongoClient(system.stack.mongo_url, tz_aware=True)
    incidents, notices = books["orders_routing"]["incidents"], books["orders_notification"]["notices"]
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        people = People(system, client)

        async def finish(incident: str) -> None:
            unit = f"unit-{incidents.find_one({'_id': incident})['dispatch']['unit']}"
            await people.done(incident, unit, kind="accept")
            await people.done(incident, unit, kind="contact", note=f"已联系{NUMBERS[0]}")
            await people.done(incident, unit, kind="complete", text=f"已更换灯泡，联系人{'、'.join(NUMBERS)}")

        async def rate(number: int) -> None:
            """The citizen's mail box has its `number`th link; not satisfied, twice on the button."""

            async def invited() -> Any:
                return (await told(system, RatingInvitedV1))[number - 1 : number]

            [link] = await until(invited, "a link", PATIENCE_S)
            url = system.url("evaluation") + link.path
            answer = await client.post(
                url, json={"grade": "dissatisfied", "comment": f"灯还是不亮，{'、'.join(NUMBERS)}"}
            )
            assert answer.status_code == 200, answer.text
            assert (await client.post(url, json={"grade": "dissatisfied"})).status_code == 409

        tracking = await people.tell("村口路灯不亮", "130529104201", "wang")
        page = await people.sees(tracking, "dispatched", lambda page: page["unit"] is not None)
        incident = incidents.find_one({"number": page["incident_number"]})["_id"]
        unit = page["unit"]
        await finish(incident)
        await rate(1)
        page = await people.sees(tracking, "done again", lambda page: page["state"] == "dispatched")
        assert (page["unit"], page["result"]) == (unit, None)
        redone = incidents.find_one({"_id": incident})
        assert redone["course"]["redone"] == 1
        await finish(incident)
        await rate(2)

        async def reviewed() -> Any:
            return notices.find_one({"template": "review_due"})

        await until(reviewed, "the supervisors are told", PATIENCE_S)
        [due] = await told(system, ReviewDueV1)
        assert (due.incident_id, due.redone, due.because) == (incident, 1, "dissatisfied_again")
        assert incidents.find_one({"_id": incident})["state"] == "completed"
        await people.done(incident, "supervisor", kind="redo", reason=f"督办重办，见{NUMBERS[1]}")
        await finish(incident)

    await until(lambda: proved(system), "quiet, and proved from the log", PATIENCE_S)
    log = await logbook.read(system.stack.bootstrap, SOURCES)
    written = [record.event.data.decode() for records in log.values() for record in records if record.event]
    written += [repr(row) for name in SERVICES for row in _rows(books[f"orders_{name.replace('-', '_')}"])]
    files = (path for path in system.services.folder.rglob("*") if path.is_file())
    written += [path.read_text("utf-8", "replace") for path in files]
    assert any("已更换灯泡" in text for text in written)
    assert not [text for text in written if any(number in text for number in NUMBERS)]
    books.close()


def _rows(database: Any) -> Iterator[dict[str, Any]]:
    for collection in database.list_collection_names():
        yield from database[collection].find()
