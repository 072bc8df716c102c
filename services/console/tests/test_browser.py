"""The console in a real browser: sign-in, feed, triage, incident; Chinese words, and no request to another host."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from console_browser import Console, publish
from console_stories import Story

from huying.chassis.security import remove_entry

pytestmark = [pytest.mark.browser, pytest.mark.wire]
SMALL = """() => [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.matches('.q-icon') &&
  [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && parseFloat(getComputedStyle(e).fontSize) < 16)
  .map(e => `${e.tagName}.${e.className} ${getComputedStyle(e).fontSize}`)"""
"""Text that is too small for a phone."""


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
    await console.page.goto(f"{console.url}/?state=open")
    await expect(console.page.locator(".hy-row").first).to_be_visible(timeout=15000)
    assert remove_entry(console.app.state.ground.settings.keys, "zhang")
    await expect(console.page).to_have_title("登录 · 呼应", timeout=10000)
    assert console.page.url.endswith("/login?next=%2F%3Fstate%3Dopen"), "and leads back to where they were"
    await console.page.goto(console.url)
    await expect(console.page).to_have_title("登录 · 呼应")


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


async def test_a_phone_shows_all_of_an_incident_without_moving_sideways_whatever_was_written(console: Console) -> None:
    from playwright.async_api import expect

    page = console.page
    long = Story(f"{console.prefix}-long", "PA-0360", "A" * 300, datetime.now(UTC), where=("130529100", "", "B" * 90))
    lamp = next(story for story in console.stories if story.name.endswith("-lamp"))
    await publish(console.stack, long.opened().dispatched().asked(lamp).events)
    await page.set_viewport_size({"width": 390, "height": 844})
    await console.sign_in()
    row = page.locator(".hy-row", has_text="PA-0360")
    await expect(row).to_be_visible(timeout=15000)
    await expect(page.get_by_role("button", name="退出")).to_be_in_viewport(ratio=1)
    for words in ("待签收", "县城市管理综合行政执法局"):
        await expect(row.get_by_text(words)).to_be_in_viewport(ratio=1)
    for address in ("/", f"/incidents/{long.name}", f"/triage?incident={long.name}"):
        await page.goto(console.url + address)
        await expect(page.get_by_text("AAAA").first).to_be_visible(timeout=15000)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390, address


async def test_an_address_that_makes_no_sense_shows_the_feed(console: Console) -> None:
    from playwright.async_api import expect

    await console.sign_in()
    for address in ("/?more=abc", "/?state=zzz"):
        await console.page.goto(console.url + address)
        await expect(console.page.locator(".hy-chip.on", has_text="全部")).to_be_visible(timeout=15000)
