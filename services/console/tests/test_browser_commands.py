"""What people do in a real browser: answers and commands go on the real bus, and routing's word comes back."""

import asyncio
from datetime import UTC, datetime

import pytest
from console_browser import Console, publish
from console_stories import Story, declined

from huying.chassis import desk
from huying.contracts.topics import COMMANDS

pytestmark = [pytest.mark.browser, pytest.mark.wire]


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
    await publish(console.stack, [news, declined(command.command_id, command.incident_id)])
    await expect(page.get_by_text("有人先办了一步")).to_be_visible(timeout=10000)
    await expect(page.locator(".hy-page")).to_contain_text("退回：灯杆属供电公司产权", timeout=10000)
    await expect(page.get_by_label("事由")).to_have_value("灯杆要倒")
    action = command.action
    assert action.model_dump() == {"kind": "whistle", "units": ("U09",), "meet_at": "南门路口", "reason": "灯杆要倒"}
    assert console.errors == []


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
