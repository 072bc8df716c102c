"""What every page shares: who looks, what time it is, the bar on top, how a command is given. It shows no case."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from nicegui import core, ui
from pymongo.errors import PyMongoError
from starlette.requests import Request

from huying.chassis.desk import CommandBody, order
from huying.chassis.errors import Broken, Transient
from huying.chassis.security import Principal
from huying.chassis.service import Ground
from huying.contracts.identity import deterministic_id
from huying.contracts.moves import ROLE_WORDS

from .. import tokens
from ..domain import Own, own_of, sees_all
from ..handlers import Projection
from ..repository import Board
from ..session import COOKIE, Sessions
from ..wishes import named
from ..words import ZONE, Names

GROUND_STATE = "huying_console"
LOOK_S = 1.0
"""How often a page asks whether anything changed; a glance at a number, not at the database."""
RELOOK = 15
"""Every so many glances it looks anyway: countdowns move, and another replica may have written."""
LONGEST_S = 60.0
"""How long a person is kept waiting for routing's decision before they are told that there is none yet."""
FAULTS = (Transient, Broken, PyMongoError)
"""Of giving a command, before the desk took it in. The last: of its look whether it did before."""
AGAIN_S = 1.0
"""Between two looks while the database is away."""
STILL = "还在办理，请稍候；不用再提交"
NO_ANSWER = "已经提交，但还没有结果。不会重复提交，可以再查一次结果；也可以稍后看办理过程，一直没有就请联系系统管理员"


@dataclass(slots=True)
class Given:
    """A command of this page."""

    id: str
    action: dict[str, Any]
    """As the page has it: the same object again asks after the command, another one may be another wish."""
    body: CommandBody
    taken: bool = False
    """Whether it is known to be on its way."""


@dataclass(slots=True)
class Desk:
    """One person at one page."""

    app: FastAPI
    who: Principal
    cookie: str | None
    attempt: str = field(default_factory=lambda: uuid4().hex)
    """Part of a command's identity: a double click is one command, another try after a refusal is a new one."""
    undecided: dict[tuple[str, str], Given] = field(default_factory=dict)
    """What was given and not decided yet, by incident and action."""

    @property
    def ground(self) -> Ground:
        """What the service stands on."""
        ground: Ground = self.app.state.ground
        return ground

    @property
    def names(self) -> Names:
        """Names of the pack."""
        names: Names = self.app.state.names
        return names

    @property
    def projection(self) -> Projection | None:
        """The handler; None until the service has started."""
        handler: Projection | None = self.ground.handler
        return handler

    @property
    def board(self) -> Board:
        """Reads.

        Raises:
            Transient: the service has not started, or this person may not look any more.
        """
        if not self.stands:
            raise Transient("the session is over")
        if self.projection is None:
            raise Transient("the console has not started yet")
        return self.projection.board

    @property
    def stands(self) -> bool:
        """Whether the session is as it was when the page was opened: not over, the account with the same rights."""
        sessions: Sessions = self.app.state.sessions
        return sessions.read(self.cookie) == self.who

    @property
    def own(self) -> Own | None:
        """What they see who do not see all."""
        return own_of(self.who.actor, self.names)

    def now(self) -> datetime:
        """Business time."""
        return self.ground.clock.now()

    async def command(
        self, incident_id: str, version: int, action: dict[str, Any], still: Callable[[], object] = lambda: None
    ) -> tuple[bool | None, str]:
        """Give a command as this person, and wait for what becomes of it.

        Args:
            incident_id: what it is about.
            version: the incident as this person sees it.
            action: the command's own fields.
            still: called once, when it takes longer than a moment.

        Returns:
            Whether it was done, None where nobody has decided yet, and the sentence to show. The same command again
            asks after the undecided one, whatever the version is by then: nothing is sent twice. Wished for anew, of
            another version, it is a new one where the first was decided on, or never arrived.
        """
        if not self.stands:
            ui.navigate.reload()  # the gate leads to the sign-in, and back here
            return False, "登录已过期，请重新登录"
        body = CommandBody.model_validate({"action": action, "expected_version": version})
        said = json.dumps(action, sort_keys=True)
        identity = deterministic_id("cm", self.who.id, incident_id, version, said, self.attempt)
        name, wish = (incident_id, said), Given(identity, action, body)
        given, answer = self.undecided.get(name), None
        try:
            if given is not None and await self._over(given, wish):
                self._forget(name, given)
        except (Transient, PyMongoError):
            assert given is not None
        else:
            given = self.undecided.setdefault(name, wish)
            answer = await self._decided(incident_id, given, still)
        if answer is None:
            return (None, NO_ANSWER) if given.taken else (False, "服务暂时不可用，没有办成，请稍后再试")
        self._forget(name, given)
        if answer.status_code == 200:
            return True, "已办"
        self.attempt = uuid4().hex  # a refusal changes no version: the same wish may be granted the next time
        told = json.loads(bytes(answer.body))
        return False, named(action["kind"], str(told.get("detail") or "没有办成，请刷新后再试"))

    async def _over(self, given: Given, wish: Given) -> bool:
        """Whether nobody decides any more on what was given, and it is wished for anew, of another version."""
        if given.action is wish.action or given.body.expected_version == wish.body.expected_version:
            return False
        row = await self.ground.handler.desk.known(given.id)
        given.taken = given.taken or row is not None
        return row is None or row["status"] != "pending"

    def _forget(self, name: tuple[str, str], given: Given) -> None:
        if self.undecided.get(name) is given:
            del self.undecided[name]

    async def _decided(self, incident_id: str, given: Given, still: Callable[[], object]) -> JSONResponse | None:
        """Routing's decision; None when it takes too long, or a fault kept the command from being taken in."""
        until, told = time.monotonic() + LONGEST_S, False
        while True:
            try:
                answer: JSONResponse = await order(self.ground, self.who.actor, incident_id, given.body, given.id)
            except FAULTS:
                if not given.taken:
                    return None
                await asyncio.sleep(AGAIN_S)  # it is on its way: a look that failed says nothing of it
            else:
                if answer.status_code != 202:
                    return answer
                given.taken = True
            if not told:
                still()
                told = True
            if time.monotonic() >= until:
                return None


async def give(
    desk: Desk, incident_id: str, version: int, action: dict[str, Any], still: Callable[[], object] | None = None
) -> bool | None:
    """Give a command and say what becomes of it, and that it is worked on where `still` does not."""
    working: list[ui.notification] = []

    def wait() -> None:
        working.append(ui.notification(STILL, spinner=True, timeout=None, position="top"))

    with ui.context.client.layout:  # the button may be gone by then
        try:
            done, said = await desk.command(incident_id, version, action, still or wait)
        finally:
            for notice in working:
                notice.dismiss()
        if done is None:
            ui.notify(said, type="warning", position="top", timeout=10_000, multi_line=True)
        else:
            ui.notify(said, type="positive" if done else "negative", position="top", timeout=6000)
    return done


def desk_of(request: Request) -> Desk:
    """The person behind a request; the gate has let them in already."""
    app: FastAPI = getattr(core.app.state, GROUND_STATE)
    sessions: Sessions = app.state.sessions
    cookie = request.cookies.get(COOKIE)
    who = sessions.read(cookie)
    assert who is not None, "the gate lets nobody in without a session"
    return Desk(app, who, cookie)


def watch(desk: Desk, glance: Callable[[], Awaitable[None]]) -> None:
    """Let a page glance every moment, until its session is over: an open page asks no gate."""

    async def look() -> None:
        if desk.stands:
            await glance()
        else:
            ui.navigate.reload()  # the gate leads to the sign-in, and back here

    ui.timer(LOOK_S, look)


_PAGES = (("/", "实时", "feed"), ("/triage", "研判", "triage"))


@contextmanager
def frame(desk: Desk, here: str, title: str) -> Iterator[None]:
    """The page's frame around its content."""
    ui.page_title(f"{title} · 呼应")
    ui.colors(
        primary=tokens.ACCENT,
        positive=tokens.TONES["on_time"],
        negative=tokens.TONES["overdue"],
        warning=tokens.TONES["soon"],
        info=tokens.ACCENT,
    )
    ui.add_css(tokens.CSS)
    ui.add_head_html(f"<script>{KEYS}</script>")
    links = "".join(
        f'<a href="{address}" class="{"here" if name == here else ""}">{word}</a>'
        for address, word, name in _PAGES
        if name != "triage" or sees_all(desk.who.actor)
    )
    unit = desk.names.unit(desk.who.unit)
    role = ROLE_WORDS[desk.who.role]
    who = f"{escape(unit or role)} · {escape(desk.who.id)}"
    ui.html(
        f'<div class="hy-bar"><a class="brand" href="/" aria-label="呼应">{tokens.ICON}<span>呼应</span>'
        f'<span class="hy-quiet hy-small">{escape(desk.names.county)}</span></a>'
        f'<nav aria-label="页面">{links}</nav><div class="who"><span id="hy-now"></span><span>{who}</span>'
        '<form method="post" action="/logout"><button type="submit">退出</button></form></div></div>',
        sanitize=False,
    ).classes("w-full")
    with ui.element("div").classes("hy-page"):
        yield


def tell_time(desk: Desk) -> str:
    """The bar's clock; a replay says that it is one."""
    now = desk.now().astimezone(ZONE)
    said = f"{now.month}月{now.day}日 {now:%H:%M}"
    return f"演练时间 {said}" if desk.ground.clock.mode == "replay" else said


def show_time(desk: Desk) -> None:
    """Bring the bar's clock up to date."""
    said = json.dumps(tell_time(desk), ensure_ascii=False)
    ui.run_javascript(f"hyNow({said})")


KEYS = """
function hyNow(t){const e=document.getElementById('hy-now');if(e)e.textContent=t}
function hyBeep(){try{const c=window.hyAudio??=new AudioContext(),o=c.createOscillator(),g=c.createGain();o.frequency.value=880;
g.gain.value=.08;o.connect(g);g.connect(c.destination);o.start();o.stop(c.currentTime+.25);c.resume()}catch(e){}}
document.addEventListener('keydown',function(e){
 const typing=/INPUT|TEXTAREA|SELECT/.test(document.activeElement?.tagName||'');
 if(e.ctrlKey||e.metaKey||e.altKey)return;
 if(typing){if(e.key==='Escape')document.activeElement.blur();return}
 if(document.querySelector('.q-dialog'))return;
 const rows=[...document.querySelectorAll('.hy-row')],at=rows.indexOf(document.activeElement);
 const key=e.key.length===1?e.key.toLowerCase():e.key;
 if(key==='j'||key==='k'){const to=rows[at<0?0:Math.min(rows.length-1,Math.max(0,at+(key==='j'?1:-1)))];
  if(to){to.focus();to.scrollIntoView({block:'nearest'})}}
 else if(key==='Enter'&&at>=0)location.href=rows[at].dataset.href;
 else if(key==='/'){const s=document.querySelector('.hy-search input');if(s){e.preventDefault();s.focus()}}
 else if(!e.repeat){const b=document.querySelector('[data-key="'+CSS.escape(key)+'"]');if(b)b.click()}
});
"""
"""Keys work in the browser alone, so that they keep working while the server is away.

They are the same with the capitals locked. A key that is held down moves through a list, but presses no button twice: nobody has read what stands there by then.
"""


def empty(title: str, detail: str) -> None:
    """A state in which there is nothing to show, said in words."""
    ui.html(f'<div class="hy-card hy-empty"><b>{escape(title)}</b>{escape(detail)}</div>', sanitize=False)
