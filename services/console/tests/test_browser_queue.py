"""The queue of questions in a real browser, when there are more than one list holds."""

import pytest
from console_browser import Console

from huying.console.repository import FEED, PAGE

pytestmark = [pytest.mark.browser, pytest.mark.wire]


async def test_a_long_queue_says_how_many_there_are_and_leads_to_the_last_one(console: Console) -> None:
    from playwright.async_api import expect

    page, feed = console.page, console.app.state.ground.mongo.collection(FEED)
    await console.sign_in()
    await expect(page.locator(".hy-row")).to_have_count(len(console.stories), timeout=15000)
    twin = await feed.find_one({"_id": f"{console.prefix}-twin"})
    many = [{**twin, "_id": f"{console.prefix}-q{n:03}", "number": f"PA-9{n:03}"} for n in range(PAGE + 9)]
    await feed.insert_many(many)
    await page.goto(f"{console.url}/triage")
    await expect(page.get_by_text(f"待研判 {PAGE + 10} 件")).to_be_visible(timeout=15000)
    await expect(page.locator(".hy-queue a")).to_have_count(PAGE)
    await console.shot("queue-long")
    await page.get_by_role("button", name="再显示 10 件").click()
    await expect(page.locator(".hy-queue a")).to_have_count(PAGE + 10)
    last = many[-1]
    await page.goto(f"{console.url}/triage?incident={last['_id']}")
    await expect(page.locator(".hy-queue a.here")).to_contain_text(last["number"], timeout=15000)
    await expect(page.locator(".hy-pair")).to_contain_text(last["number"])
    await expect(page.locator(".hy-queue a.here")).to_be_in_viewport()
    assert console.errors == []
