"""The console in a real browser: sign-in, feed, triage, incident; Chinese words, and no request to another host."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from aiokafka import AIOKafkaProducer
from argon2 import PasswordHasher
from console_stories import Story, morning

from huying.chassis import desk
from huying.chassis.security import remove_entry, write_entry
from huying.chassis.testing import SECRET, until
from huying.console.main import create_app
from huying.console.settings import Settings
from huying.contracts.clocks import ClockEvent
from huying.contracts.envelope import CloudEvent
from huying.contracts.incidents import CommandDeclinedV1
from huying.contracts.topics import CLOCKS, COMMANDS, INCIDENTS
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning
from huying.devkit.stack.ports import free_ports

CHROMIUM = Path("/usr/bin/chromium")
PACK = Path(__file__).parents[3] / "deploy/county/julu"
SHOTS = os.environ.get("HUYING_SCREENSHOTS")
"""A folder for pictures to look at; none are taken when it is absent."""

SMALL = """() => [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.matches('.q-icon') &&
  [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && parseFloat(getComputedStyle(e).fontSize) < 16)
  .map(e => `${e.tagName}.${e.className} ${getComputedStyle(e).fontSize}`)"""
"""Text that is too small for a phone."""

pytestmark = [pytest.mark.browser, pytest.mark.wire]


async def publish(stack: Stack, events: list[Any]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    await producer.start()
    try:
        for n, event in enumerate(events):
            clock = isinstance(event, ClockEvent)
            if clock:
                identity = f"{event.clock_id}/{n}"
            elif isinstance(event, CommandDeclinedV1):
                identity = event.command_id
            else:
                identity = f"{event.incident_id}/{event.incident_version}"
            wrapped = CloudEvent(identity, "test", event.TYPE, event.encode(), event.at)
            topic = CLOCKS if clock else INCIDENTS
            await producer.send(
                topic.name, wrapped.data, key=event.incident_id.encode(), headers=list(wrapped.headers())
            )
        await producer.flush()
    finally:
        await producer.stop()


@dataclass
class Console:
    """A running console, one browser page, and everything that the page asked for."""

    url: str
    app: Any
    stack: Stack
    page: Any
    prefix: str
    stories: list[Story]
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def shot(self, name: str) -> None:
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            await self.page.screenshot(path=f"{SHOTS}/{name}.png")

    async def sign_in(self, name: str = "zhang", password: str = "一个长口令") -> None:
        await self.page.goto(self.url)
        await self.page.fill("#name", name)
        await self.page.fill("#password", password)
        await self.page.click("button")


@pytest.fixture
async def console(fresh_stack: Callable[..., Stack], unique_name: str, tmp_path: Path) -> AsyncIterator[Console]:
    """A console with a log of its own: what other tests tell would stand in its feed, too."""
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: make system")
    from playwright.async_api import async_playwright

    stack = fresh_stack()
    wanted = [(t.name, t.partitions, t.config()) for t in (INCIDENTS, CLOCKS, COMMANDS)]
    await provisioning.create(stack.bootstrap, wanted)
    hasher = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
    for name, role, unit in (("zhang", "dispatcher", None), ("li", "unit", "U04")):
        entry = {"id": name, "role": role, "unit": unit, "argon2": hasher.hash("一个长口令")}
        write_entry(tmp_path / "keys.json", entry)
    [port] = free_ports(1)
    settings = Settings(
        port=port,
        kafka=stack.bootstrap,
        mongo=stack.mongo_url,
        database_prefix=unique_name,
        group_prefix=unique_name,
        keys=tmp_path / "keys.json",
        pack=PACK,
        secret=SECRET,
    )
    app = create_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=2)
    )
    serving = asyncio.create_task(server.serve())
    stories = morning(unique_name, datetime.now(UTC))
    try:
        await until(lambda: app.state.ground.ready, "the console consumes")
        await publish(stack, [event for story in stories for event in story.events])
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=str(CHROMIUM),
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            page = await browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN")
            found = Console(f"http://127.0.0.1:{port}", app, stack, page, unique_name, stories)
            page.on("request", lambda request: found.asked.append(request.url))
            page.on("pageerror", lambda error: found.errors.append(str(error)))
            yield found
            await browser.close()
    finally:
        server.should_exit = True
        await serving


async def test_a_dispatcher_signs_in_and_sees_the_feed_the_question_and_an_incident(console: Console) -> None:
    from playwright.async_api import expect

    page = console.page
    await page.goto(console.url)
    await expect(page).to_have_title("登录 · 呼应")
    await console.shot("login")
    await console.sign_in(password="错")
    await expect(page.locator(".wrong")).to_have_text("账号或密码不对，请核对后再试。")
    await console.sign_in()
    await expect(page.locator(".hy-row")).to_have_count(len(console.stories), timeout=15000)
    first = page.locator(".hy-row").first
    await expect(first).to_contain_text("紧急")
    await expect(first).to_contain_text("煤气味")
    table = page.locator(".hy-table")
    for words in ("超期", "待研判", "已办结", "待签收", "处置中", "已延期 1 次", "县供水服务中心", "王虎寨镇后官庄村"):
        await expect(table).to_contain_text(words)
    await console.shot("feed")

    await page.locator(".hy-chip", has_text="超期").click()
    await expect(page.locator(".hy-row")).to_have_count(1)
    assert "state=overdue" in page.url
    await page.reload()
    await expect(page.locator(".hy-row")).to_have_count(1)
    await page.locator(".hy-chip", has_text="全部").first.click()
    await expect(page.locator(".hy-row")).to_have_count(len(console.stories))

    await page.locator("h1").click()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_contain_text("煤气味")
    assert page.url.endswith(f"/incidents/{console.prefix}-gas")

    await page.goto(f"{console.url}/incidents/{console.prefix}-garbage")
    for words in (
        "事件上报",
        "分类受理",
        "响应指定",
        "部门处置",
        "结果反馈",
        "<b>灯杆已扶正</b>",
        "按时答复",
        "办理过程",
    ):
        await expect(page.locator(".hy-page")).to_contain_text(words)
    await console.shot("incident-done")
    await page.goto(f"{console.url}/incidents/{console.prefix}-lamp")
    for number, word in enumerate(("办结并反馈", "登记已联系", "退回", "更多操作")):
        await expect(page.locator(".hy-actions > button").nth(number)).to_contain_text(word)
    await expect(page.locator(".hy-report")).to_have_count(2)
    await expect(page.locator(".hy-report").last).to_contain_text("巨鹿镇西平社区南门")
    await expect(page.get_by_role("link", name="附件 1")).to_have_count(2)
    await console.shot("incident")

    await page.goto(f"{console.url}/triage")
    await expect(page.locator("mark").first).to_be_visible()
    await expect(page.get_by_text("合并到 PA-0312")).to_be_visible()
    await expect(page.locator(".hy-page")).to_contain_text("<script>alert(1)</script>")
    await console.shot("triage")

    await page.set_viewport_size({"width": 390, "height": 844})
    for name, address in (("feed", "/"), ("triage", "/triage"), ("incident", f"/incidents/{console.prefix}-lamp")):
        await page.goto(console.url + address)
        await expect(page.locator(".hy-row, mark, .hy-report").first).to_be_visible(timeout=15000)
        assert await page.evaluate(SMALL) == [], name
        await console.shot(f"{name}-phone")

    assert console.errors == []
    assert {urlsplit(url).hostname for url in console.asked if not url.startswith("data:")} == {"127.0.0.1"}


async def test_a_new_emergency_appears_by_itself_on_top(console: Console) -> None:
    from playwright.async_api import expect

    await console.sign_in()
    await expect(console.page.locator(".hy-row")).to_have_count(len(console.stories), timeout=15000)
    fire = Story(
        f"{console.prefix}-fire",
        "PA-0333",
        "村西麦秸垛着火了，离住户不到二十米",
        datetime.now(UTC),
        matter=("M08", "消防"),
        clock_class="emergency",
    )
    await publish(console.stack, fire.opened().dispatched().events)
    await expect(console.page.locator(".hy-row").first).to_contain_text("麦秸垛着火", timeout=10000)


async def test_a_page_that_is_open_closes_when_the_account_is_taken_back(console: Console) -> None:
    from playwright.async_api import expect

    await console.sign_in()
    await expect(console.page.locator(".hy-row")).to_have_count(len(console.stories), timeout=15000)
    assert remove_entry(console.app.state.ground.settings.keys, "zhang")
    await expect(console.page).to_have_title("登录 · 呼应", timeout=10000)
    await console.page.goto(console.url)
    await expect(console.page).to_have_title("登录 · 呼应")


async def test_an_answer_goes_on_the_bus_and_routings_word_comes_back(console: Console) -> None:
    from aiokafka import AIOKafkaConsumer
    from playwright.async_api import expect

    page = console.page
    await console.sign_in()
    await page.goto(f"{console.url}/triage")
    await expect(page.get_by_text("合并到 PA-0312")).to_be_visible(timeout=15000)
    consumer = AIOKafkaConsumer(COMMANDS.name, bootstrap_servers=console.stack.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await page.keyboard.press("y")
        async with asyncio.timeout(15):
            record = await consumer.getone()
    finally:
        await consumer.stop()
    from huying.contracts.commands import CommandIssuedV1

    command = CommandIssuedV1.model_validate_json(record.value)
    assert (command.action.kind, command.actor.id, command.expected_version) == ("answer_ask", "zhang", 2)
    twin = next(story for story in console.stories if story.name.endswith("-twin"))
    lamp = next(story for story in console.stories if story.name.endswith("-lamp"))
    assert command.action.candidates == (lamp.name,), "the likeliest is ticked"
    [merged] = twin.merged(lamp).feed[-1:]
    await publish(console.stack, [merged.model_copy(update={"command_id": command.command_id})])
    await expect(page.get_by_text("没有待研判的事件")).to_be_visible(timeout=10000)
    answer = await console.app.state.ground.handler.desk.known(command.command_id)
    assert answer["status"] == "done"

    await expect(page.get_by_role("button", name="撤销上一次合并")).to_be_visible(timeout=10000)
    consumer = AIOKafkaConsumer(COMMANDS.name, bootstrap_servers=console.stack.bootstrap, auto_offset_reset="latest")
    await consumer.start()
    try:
        await page.keyboard.press("u")
        async with asyncio.timeout(15):
            undone = CommandIssuedV1.model_validate_json((await consumer.getone()).value)
    finally:
        await consumer.stop()
    assert (undone.action.kind, undone.incident_id) == ("undo_merge", twin.name)


async def test_a_question_beside_a_dispatch_says_so_and_the_dispatcher_picks_which_it_is(console: Console) -> None:
    from aiokafka import AIOKafkaConsumer
    from playwright.async_api import expect

    from huying.contracts.commands import CommandIssuedV1

    page, stories = console.page, {story.name.removeprefix(f"{console.prefix}-"): story for story in console.stories}
    smell = Story(
        f"{console.prefix}-smell",
        "PA-0334",
        "育红街饭店那边煤气味很大",
        datetime.now(UTC),
        matter=("M07", "燃气安全"),
        clock_class="emergency",
    )
    smell.opened().dispatched().asked(stories["garbage"], stories["gas"], stories["lamp"])
    await publish(console.stack, smell.events)
    await console.sign_in()
    await expect(page.locator(".hy-row", has_text="PA-0334")).to_contain_text("（待研判）", timeout=15000)
    await page.goto(f"{console.url}/triage?incident={smell.name}")
    await expect(page.get_by_text("已先行派单，研判不影响处置")).to_be_visible(timeout=15000)
    await expect(page.locator(".hy-queue")).to_contain_text("已派单 · 还有")
    await expect(page.locator(".hy-page")).to_contain_text("待研判 2 件，其中 1 件等研判后派单")
    await page.locator("h1").click()
    await expect(page.get_by_role("button", name="合并到 PA-0301")).to_be_visible()
    for _ in range(2):  # held down: the second one is a repeat
        await page.keyboard.down("3")
        await page.wait_for_timeout(300)
    await page.keyboard.up("3")
    await expect(page.get_by_role("button", name="都是同一件，合并到 PA-0301")).to_be_visible()
    await page.keyboard.press("3")
    await page.keyboard.press("1")
    await expect(page.get_by_role("button", name="请先选是哪一件")).to_be_disabled()
    await page.keyboard.press("2")
    await expect(page.get_by_role("button", name="合并到 PA-0319")).to_be_visible()
    await console.shot("triage-beside")
    consumer = AIOKafkaConsumer(COMMANDS.name, bootstrap_servers=console.stack.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await page.keyboard.press("y")
        async with asyncio.timeout(15):
            command = CommandIssuedV1.model_validate_json((await consumer.getone()).value)
    finally:
        await consumer.stop()
    assert command.incident_id == smell.name
    assert (command.action.same, command.action.candidates) == (True, (stories["gas"].name,))
    assert console.errors == []


async def test_a_dispatcher_gives_a_command_of_many_and_what_is_missing_is_said(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aiokafka import AIOKafkaConsumer
    from playwright.async_api import expect

    monkeypatch.setattr(desk, "PATIENCE_S", 60.0)  # the answer below is to come in time on a busy machine
    page = console.page
    await console.sign_in()
    await page.goto(f"{console.url}/incidents/{console.prefix}-lamp")
    await page.get_by_role("button", name="更多操作").click()
    for word in (
        "核定事项地点",
        "改派",
        "升级",
        "吹哨",
        "联席会商",
        "挂起",
        "申请延期",
        "开启汛期模式",
        "合并",
        "拆分",
    ):
        await expect(page.locator(".q-item", has_text=word).first).to_be_visible()
    await console.shot("incident-more")
    await page.locator(".q-item", has_text="吹哨").click()
    await page.get_by_role("button", name="吹哨").click()
    await expect(page.get_by_text("请填写：请哪些单位到场")).to_be_visible()
    await console.shot("whistle")
    await page.get_by_label("请哪些单位到场").click()
    await page.locator(".q-menu .q-item", has_text="县公安局").click()
    await page.keyboard.press("Tab")
    await page.get_by_label("集合地点").fill("南门路口")
    await page.get_by_label("事由").fill("灯杆要倒")
    consumer = AIOKafkaConsumer(COMMANDS.name, bootstrap_servers=console.stack.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await page.get_by_role("button", name="吹哨").click()
        async with asyncio.timeout(15):
            record = await consumer.getone()
    finally:
        await consumer.stop()
    from huying.contracts.commands import CommandIssuedV1

    command = CommandIssuedV1.model_validate_json(record.value)
    lamp = next(story for story in console.stories if story.name.endswith("-lamp"))
    [news] = lamp.returned().feed[-1:]
    await publish(console.stack, [news, _declined(command)])
    await expect(page.get_by_text("有人先办了一步")).to_be_visible(timeout=10000)
    await expect(page.locator(".hy-page")).to_contain_text("退回：灯杆属供电公司产权")
    await expect(page.get_by_label("事由")).to_have_value("灯杆要倒")
    action = command.action
    assert action.model_dump() == {"kind": "whistle", "units": ("U09",), "meet_at": "南门路口", "reason": "灯杆要倒"}
    assert console.errors == []


def _declined(command: Any) -> CommandDeclinedV1:
    return CommandDeclinedV1(
        command_id=command.command_id,
        incident_id=command.incident_id,
        jurisdiction=command.jurisdiction,
        at=datetime.now(UTC),
        reason="stale_version",
        message="有人先办了一步",
    )


async def test_a_dispatcher_checks_in_the_unit_that_came(console: Console) -> None:
    from aiokafka import AIOKafkaConsumer
    from playwright.async_api import expect

    from huying.contracts.commands import CheckIn, CommandIssuedV1

    page = console.page
    pole = Story(f"{console.prefix}-pole", "PA-0335", "灯杆要倒", datetime.now(UTC))
    await publish(console.stack, pole.opened().dispatched().whistled("U09", "U05").events)
    await console.sign_in()
    await expect(page.locator(".hy-row", has_text="PA-0335")).to_be_visible(timeout=15000)
    await page.goto(f"{console.url}/incidents/{pole.name}")
    await page.get_by_role("button", name="报到").click()
    await expect(page.get_by_label("哪个单位已到场")).to_have_value("县公安局")
    consumer = AIOKafkaConsumer(COMMANDS.name, bootstrap_servers=console.stack.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await page.locator(".q-card").get_by_role("button", name="报到").click()
        async with asyncio.timeout(15):
            command = CommandIssuedV1.model_validate_json((await consumer.getone()).value)
    finally:
        await consumer.stop()
    assert (command.incident_id, command.action) == (pole.name, CheckIn(unit="U09"))
    assert console.errors == []


async def test_a_unit_sees_its_own_incidents_and_nobody_elses(console: Console) -> None:
    from playwright.async_api import expect

    page = console.page
    await console.sign_in("li")
    await expect(page.locator(".hy-row")).to_have_count(2, timeout=15000)
    await page.goto(f"{console.url}/incidents/{console.prefix}-lamp")
    await expect(page.get_by_text("没有权限查看")).to_be_visible()
    await expect(page.locator(".hy-page")).not_to_contain_text("货车蹭歪")
    await expect(page.locator(".hy-bar nav a")).to_have_text(["实时"])
    await page.goto(f"{console.url}/triage")
    await expect(page.get_by_text("没有权限查看")).to_be_visible()
    await expect(page.locator(".hy-page")).not_to_contain_text("PA-0318")
    missing = await page.goto(f"{console.url}/incident/PA-0318")
    assert missing is not None
    assert missing.status == 404
    await expect(page.get_by_role("heading")).to_have_text("没有这个页面")
