"""What the wording alone says: asking for progress, back again, done with, urgent.

Refuses to decide: these are flags with the words that raised them; the scorer weighs them.
Sources: the county's own months of reports (催办, 又 ...), the four platforms' texts.
"""

from __future__ import annotations

import re

FOLLOW_UP = re.compile(
    r"催|追问|询问.{0,14}(?:进度|进展|结果|情况|处置|处理|何时|是否)|进度|再次(?:来电|反映|投诉)|重复来电|多次(?:来电|反映|投诉)|"
    r"(?:反映|投诉|上报|报修|报了?|打(?:了|过)?电话|举报)[^，。；]{0,8}(?:[一二三四五六七八九十两几半\d]+(?:多)?(?:天|个?月|周|礼拜|星期|个?钟头|小时|回|次|遍))|"
    r"(?:[一二三四五六七八九十两几半\d]+(?:多)?(?:天|个?月|周|礼拜|星期|个?钟头|小时))(?:前|以前|之前)?(?:报|反映|投诉|说|就)|"
    r"说(?:好|是|了|给|要|的|今|昨|明|下|礼拜|协调|劝|修)|不是说|上回|上次(?:说|报|来|反映)|"
    r"(?:怎么|咋|为啥|为何|到底)?(?:还|仍|依然|依旧)(?:没|未|不|在|是|那|得|跟|着|黑|堵|漏)|到现在|至今|到底|啥时候(?:能|才|修|来|弄|拉|给)|"
    r"没人(?:管|来|理|修|回)|没(?:动静|下文|回音|信儿|消息)|(?:有|没)(?:个)?(?:准信|说法|结果|回话)|"
    r"(?:光|只)(?:见|看|拍照|登记|说)|照(?:样|旧)|(?:办|完)结(?:了)?|答复|未回电|复电|又(?:是)?一(?:天|周|礼拜|星期|宿)"
)
"""Words of people who ask how far a known matter has come."""

RECURRENCE = re.compile(
    r"又(?!来电|称|是啥|热又|冷又)|再次|再度|重新|反弹|复发|老毛病|老样子|老地方|返工|二期|"
    r"(?:刚|才)[^，。；]{0,8}(?:没|不到|了)[^，。；]{0,6}(?:天|月|周|礼拜|星期)|"
    r"(?:换|修|补|填|清|抓|逮|盖|撕|贴|封)[^，。；]{0,8}(?:没|不到|管了|了没)[^，。；]{0,8}(?:天|月|周|礼拜|星期)|"
    r"上回|上次|上个?月|月初|跟[^，。]{0,4}一(?:个)?样"
)
"""Words of something that had been put right and is back."""

STRONG_RECURRENCE = re.compile(
    r"(?:修|换|补|填|清|封|逮|抓|拆|撤|亮|热|好|消停|利索|管)[^。；]{0,14}(?:又|再|老毛病|老样子|返工)|"
    r"又(?:坏|黑|灭|瞎|漏|塌|堵|断|碎|没了|丢|出来|开始|来了|成|揭|露|冒|窜|摆|倒|响|推|偷)"
)
"""The two halves together: it was done, and it is back."""

DONE = re.compile(r"已(?:修|清|换|通|恢复|解决|处理|处置|挪|扑灭|灭|到场|送|完)|恢复|解除|明火已灭|消失|上线|清完|修好")
"""Words of somebody who reports work done, or of a device that calms down."""

TWO_PROBLEMS = re.compile(
    r"另(?:外|称|有|反映|一|，|村|路|该|在|：)?|同时(?:反映|称|还)?|还有(?:就是|个)?|两件事|一并(?:处理|反映|催办|解决)|一是.{2,40}二是|顺便|再(?:就是|一个)|又(?:坏|说)着?"
)
"""Words that join a second problem to the first."""


def count(pattern: re.Pattern[str], text: str) -> int:
    """Number of hits, at most 3 (more says nothing more)."""
    hits = 0
    for _ in pattern.finditer(text):
        hits += 1
        if hits == 3:
            break
    return hits
