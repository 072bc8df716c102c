"""Commands through the real door, more than once: one decision, one answer, and another wish under the key is refused."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_feed import ROOT, month
from test_orders_wire import Bus, bus

from huying.chassis.security import write_entry
from huying.chassis.testing import SECRET, running, until
from huying.contracts import topics
from huying.county import load
from huying.routing.main import create_app
from huying.routing.settings import Settings

pytestmark = pytest.mark.wire
__all__ = ["bus"]


class Door:
    """Routing's door, as a dispatcher finds it."""

    def __init__(self, app: Any, client: httpx.AsyncClient, incidents: list[str]) -> None:
        self.mongo, self.client, self.incidents = app.state.ground.mongo, client, incidents
        self.headers = {"Authorization": "Bearer test-key"}

    async def post(self, incident: str, key: str, **body: Any) -> httpx.Response:
        headers = {**self.headers, "Idempotency-Key": key}
        return await self.client.post(f"/v1/incidents/{incident}/commands", json=body, headers=headers)

    async def issued(self) -> int:
        return int(await self.mongo.collection("outbox").count_documents({"topic": topics.COMMANDS.name}))


@pytest.fixture
async def door(bus: Bus, tmp_path: Path) -> AsyncIterator[Door]:
    write_entry(
        tmp_path / "keys.json", {"id": "zhang", "role": "dispatcher", "sha256": sha256(b"test-key").hexdigest()}
    )
    settings = Settings(
        kafka=bus.stack.bootstrap,
        mongo=bus.stack.mongo_url,
        database_prefix="desk",
        group_prefix="desk",
        pack=ROOT / "deploy/county/julu",
        keys=tmp_path / "keys.json",
        secret=SECRET,
    )
    app = create_app(settings)
    async with running(app) as client:
        for report in month(6):
            await bus.report(report)
        rows = app.state.ground.mongo.collection("incidents")

        async def some() -> list[str]:
            return [row["_id"] for row in await rows.find({"state": "dispatched"}).sort("number", 1).to_list(None)]

        found = await until(lambda: _enough(some), "three incidents")
        yield Door(app, client, found)


async def _enough(some: Any) -> Any:
    found = await some()
    return found if len(found) >= 3 else None


async def test_a_command_sent_several_times_at_once_is_one_and_all_get_its_answer(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloads: list[None] = []
    handler = door.client._transport.app.state.ground.handler  # type: ignore[attr-defined]
    reload = handler.reload

    async def counted() -> None:
        reloads.append(None)
        await reload()

    monkeypatch.setattr(handler, "reload", counted)
    one = door.incidents[0]
    answers = await asyncio.gather(*(door.post(one, "k", action={"kind": "accept"}) for _ in range(6)))
    answers.append(await door.post(one, "k", action={"kind": "accept"}))
    assert [answer.status_code for answer in answers] == [200] * 7, [answer.text for answer in answers]
    assert len({answer.text for answer in answers}) == 1
    assert "asked" not in answers[0].json()
    assert (await door.issued(), reloads) == (1, [])


async def test_another_wish_under_the_same_key_is_refused_and_names_the_field(door: Door) -> None:
    one, other, third = door.incidents[:3]
    assert (await door.post(one, "k", action={"kind": "accept"}, expected_version=2)).status_code == 200
    for body, field in (
        ({"action": {"kind": "return", "reason": "不归我们管", "basis": "职责清单"}, "expected_version": 2}, "action"),
        ({"action": {"kind": "accept"}, "expected_version": 3}, "expected_version"),
        ({"action": {"kind": "accept"}}, "expected_version"),
    ):
        refused = await door.post(one, "k", **body)
        said = refused.json()
        assert (refused.status_code, said["reason"], said["errors"][0]["field"]) == (409, "identity_reused", field)
        assert field in said["detail"]
    assert (await door.post(other, "k", action={"kind": "accept"})).status_code == 200, "a key is an incident's"
    assert (await door.post(one, "k", action={"kind": "accept"}, expected_version=2)).status_code == 200
    assert await door.issued() == 2
    wishes: list[dict[str, Any]] = [{"kind": "accept"}, {"kind": "return", "reason": "不归我们管", "basis": "职责清单"}]
    answers = await asyncio.gather(*(door.post(third, "k", action=wish) for wish in wishes))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert [answer.json()["reason"] for answer in answers if answer.status_code == 409] == ["identity_reused"]
    assert await door.issued() == 3


async def test_a_units_key_is_shown_the_matters_of_its_unit_only(door: Door, tmp_path: Path) -> None:
    rows = await door.mongo.collection("incidents").find({"dispatch": {"$ne": None}}).to_list(None)
    own = rows[0]["dispatch"]["unit"]
    theirs = {row["_id"] for row in rows if own in (row["dispatch"]["unit"], *row["dispatch"]["assisting"])}
    others = {row["_id"] for row in rows} - theirs
    assert others, "the month has more than one unit"
    write_entry(
        tmp_path / "keys.json", {"id": "u", "role": "unit", "unit": own, "sha256": sha256(b"unit-key").hexdigest()}
    )
    key = {"Authorization": "Bearer unit-key"}
    listed = (await door.client.get("/v1/incidents", headers=key)).json()["incidents"]
    assert {row["incident_id"] for row in listed} == theirs
    for incident in theirs | others:
        answer = await door.client.get(f"/v1/incidents/{incident}", headers=key)
        assert answer.status_code == (200 if incident in theirs else 404)


async def test_a_grid_workers_key_is_shown_their_town_and_what_is_its_units(door: Door, tmp_path: Path) -> None:
    rows = await door.mongo.collection("incidents").find({"dispatch": {"$ne": None}}).to_list(None)
    pack = load(ROOT / "deploy/county/julu")
    town = next(row["place"]["town_code"] for row in rows if row["place"]["town_code"])
    own = pack.town_unit(town)
    assert own is not None
    theirs = {
        row["_id"]
        for row in rows
        if row["place"]["town_code"] == town or own.code in (row["dispatch"]["unit"], *row["dispatch"]["assisting"])
    }
    others = {row["_id"] for row in rows} - theirs
    assert others, "the month has more than one town"
    for name, unit in (("g", {"unit": own.code}), ("nobody", {})):
        digest = sha256(name.encode()).hexdigest()
        write_entry(tmp_path / "keys.json", {"id": name, "role": "grid_worker", "sha256": digest, **unit})
    key = {"Authorization": "Bearer g"}
    listed = (await door.client.get("/v1/incidents", headers=key)).json()["incidents"]
    assert {row["incident_id"] for row in listed} == theirs
    for incident in theirs | others:
        answer = await door.client.get(f"/v1/incidents/{incident}", headers=key)
        assert answer.status_code == (200 if incident in theirs else 404)
    refused = await door.client.get("/v1/incidents", headers={"Authorization": "Bearer nobody"})
    assert refused.status_code == 403


async def test_a_command_is_shown_to_who_gave_it_and_to_who_sees_its_incident(door: Door, tmp_path: Path) -> None:
    rows = await door.mongo.collection("incidents").find({"state": "dispatched"}).to_list(None)
    one = next(row for row in rows if row["place"]["town_code"])
    unit, town = one["dispatch"]["unit"], one["place"]["town_code"]
    takers = (unit, *one["dispatch"]["assisting"])
    pack = load(ROOT / "deploy/county/julu")
    towns = {
        "here": pack.town_unit(town),
        "elsewhere": next(u for u in pack.units if u.serves not in (None, town) and u.code not in takers),
    }
    people = {"colleague": "unit", "stranger": "unit", "here": "grid_worker", "elsewhere": "grid_worker"}
    for name, role in people.items():
        own = towns[name].code if name in towns else "U-none" if name == "stranger" else unit  # type: ignore[union-attr]
        entry = {"id": name, "role": role, "unit": own, "sha256": sha256(name.encode()).hexdigest()}
        write_entry(tmp_path / "keys.json", entry)

    async def seen(command: str) -> dict[str, int]:
        keys = {name: {"Authorization": f"Bearer {name}"} for name in people} | {"dispatcher": door.headers}
        asked = {name: await door.client.get(f"/v1/commands/{command}", headers=key) for name, key in keys.items()}
        hidden = [answer.json()["title"] for answer in asked.values() if answer.status_code == 404]
        assert set(hidden) <= {"Unknown command"}, "as if there were none"
        return {name: answer.status_code for name, answer in asked.items()}

    by_dispatcher = await door.post(one["_id"], "k", action={"kind": "accept"})
    assert await seen(by_dispatcher.json()["command_id"]) == {
        **{"colleague": 200, "here": 200, "dispatcher": 200},
        **{"stranger": 404, "elsewhere": 404},
    }
    headers = {"Authorization": "Bearer stranger", "Idempotency-Key": "s"}
    address = f"/v1/incidents/{one['_id']}/commands"
    refused = await door.client.post(address, json={"action": {"kind": "accept"}}, headers=headers)
    assert refused.status_code == 409
    answers = await seen(refused.json()["command_id"])
    assert (answers["stranger"], answers["elsewhere"], answers["colleague"]) == (409, 404, 409), "who gave it may ask"


async def test_who_sees_all_may_ask_after_anothers_command_on_an_incident_that_is_none(
    door: Door, tmp_path: Path
) -> None:
    declined = await door.post("in-none", "n", action={"kind": "accept"})
    assert declined.status_code == 409
    assert "unknown_incident" in declined.text
    for name, role, unit in (("second", "dispatcher", None), ("stranger", "unit", "U-none")):
        entry = {"id": name, "role": role, "unit": unit, "sha256": sha256(name.encode()).hexdigest()}
        write_entry(tmp_path / "keys.json", entry)
    address = f"/v1/commands/{declined.json()['command_id']}"
    for name, status in (("second", 409), ("stranger", 404)):
        answer = await door.client.get(address, headers={"Authorization": f"Bearer {name}"})
        assert answer.status_code == status
