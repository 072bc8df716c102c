"""A command that takes its time, in a real browser: its form stays until the outcome is known, and it is sent once."""

from typing import Any

import pytest
from console_browser import Console, publish
from console_stories import Story, declined

from huying.chassis import desk
from huying.chassis.desk import COMMANDS_COLLECTION
from huying.chassis.testing import until
from huying.console.pages import frame

pytestmark = [pytest.mark.browser, pytest.mark.wire]


async def _given(console: Console) -> list[dict[str, Any]]:
    """The commands that the console took in: each of them goes on the bus once."""
    rows = console.app.state.ground.mongo.collection(COMMANDS_COLLECTION).find({})
    return [row async for row in rows]


async def _whistle(console: Console, monkeypatch: pytest.MonkeyPatch) -> Story:
    """The form of a whistle, filled in and sent; nobody decides yet, and soon that is a long wait."""
    monkeypatch.setattr(desk, "PATIENCE_S", 0.5)
    page = console.page
    lamp = next(story for story in console.stories if story.name.endswith("-lamp"))
    await console.sign_in()
    await page.goto(f"{console.url}/incidents/{lamp.name}")
    await page.get_by_role("button", name="更多操作").click()
    await page.locator(".q-item", has_text="吹哨").click()
    await page.get_by_label("请哪些单位到场").click()
    await page.locator(".q-menu .q-item", has_text="县公安局").click()
    await page.keyboard.press("Tab")
    await page.get_by_label("集合地点").fill("南门路口")
    await page.get_by_label("事由").fill("灯杆要倒")
    await page.locator(".q-card").get_by_role("button", name="吹哨").click()
    await until(lambda: _given(console), "the command was taken in")
    return lamp


async def test_a_form_stays_while_its_command_is_worked_on_and_closes_when_it_is_done(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playwright.async_api import expect

    lamp = await _whistle(console, monkeypatch)
    page, form = console.page, console.page.locator(".q-card")
    await expect(form.get_by_text("还在办理")).to_be_visible(timeout=10000)
    await expect(form.get_by_label("事由")).to_have_value("灯杆要倒")
    await console.shot("slow-working")
    await publish(console.stack, lamp.returned().events[-1:])  # somebody else's step: the page behind goes on
    await page.wait_for_timeout(1500)
    await expect(form.get_by_label("集合地点")).to_have_value("南门路口")
    [given] = await _given(console)
    await publish(console.stack, [lamp.whistled("U09").feed[-1].model_copy(update={"command_id": given["_id"]})])
    await expect(form).to_have_count(0, timeout=10000)
    await expect(page.get_by_text("已办", exact=True)).to_be_visible()
    assert console.errors == []


async def test_a_form_that_is_closed_while_its_command_is_worked_on_still_tells_what_became_of_it(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playwright.async_api import expect

    lamp = await _whistle(console, monkeypatch)
    page, form = console.page, console.page.locator(".q-card")
    await expect(form.get_by_text("还在办理")).to_be_visible(timeout=10000)
    await page.keyboard.press("Escape")
    await expect(form.get_by_label("事由")).to_have_value("灯杆要倒")
    await form.get_by_role("button", name="关闭").click()
    await expect(form).to_have_count(0)
    [given] = await _given(console)
    await publish(console.stack, [declined(given["_id"], lamp.name)])
    await expect(page.get_by_text("有人先办了一步")).to_be_visible(timeout=10000)
    assert console.errors == []


async def test_a_form_whose_command_is_refused_late_says_why_and_one_without_an_answer_asks_after_the_same_command(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playwright.async_api import expect

    monkeypatch.setattr(frame, "LONGEST_S", 2.0)
    lamp = await _whistle(console, monkeypatch)
    page, form = console.page, console.page.locator(".q-card")
    await expect(form.get_by_text("还没有结果")).to_be_visible(timeout=10000)
    await console.shot("slow-no-answer")
    await publish(console.stack, lamp.returned().events[-1:])  # the incident has another version now
    await page.wait_for_timeout(1500)
    monkeypatch.setattr(frame, "LONGEST_S", 60.0)
    await form.get_by_role("button", name="再查一次结果").click()
    await expect(form.get_by_text("还在办理")).to_be_visible(timeout=10000)
    [given] = await _given(console)
    await publish(console.stack, [declined(given["_id"], lamp.name)])
    await expect(page.get_by_text("有人先办了一步")).to_be_visible(timeout=10000)
    await expect(form.get_by_label("事由")).to_have_value("灯杆要倒")
    await form.get_by_label("事由").fill("灯杆真的要倒")
    await form.get_by_role("button", name="吹哨").click()
    await until(lambda: _two(console), "another try after the refusal is a command of its own")
    assert console.errors == []


async def _two(console: Console) -> bool:
    return len(await _given(console)) == 2
