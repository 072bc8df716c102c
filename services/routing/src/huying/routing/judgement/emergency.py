"""The recall-first path for danger to life: words that alone are enough to treat a report as an emergency.

Refuses to weigh cost: a false alarm costs a phone call, a missed one a life; the words come before the model.
"""

from __future__ import annotations

import re

WORDS: tuple[tuple[str, str], ...] = (
    ("gas", r"(?:煤气|天然气|燃气|液化气|瓦斯)[^，。]{0,8}(?:味|漏|泄|喷|刺|爆|挖|中毒|浓度|告警|超标)|漏气|一氧化碳|煤烟中毒|(?:煤|炭)[^，。]{0,4}中毒|%lel|可燃气体|(?:燃气|天然气|煤气|气)(?:主管|管道|管线|管|大管)[^，。]{0,6}(?:挖|破|断|漏|刺)|中压[^，。]{0,4}(?:挖|破|漏)"),
    ("fire", r"着火|起火|着了火|(?<![点闹睡])着了(?![急凉迷道慌魔])|着起来|失火|火灾|火苗|火头|冒(?:大|浓|黑|老)[^，。]{0,4}烟|浓烟|烧起来|烧着|明火|火警|燎|119|救火|扑打|扑灭|火势|引燃|自燃|爆炸"),
    ("live_wire", r"(?:电线|电缆|线路|高压线|低压线|(?<![光网])线)[^，。光]{0,10}(?:断(?!供|电|水|网)|落地|掉|垂地|打火|冒火|放电|刮断|砸断|压断)|触电|漏电|带电|(?<!来)电(?:了|着|死|伤)?人|电麻|麻手|打火花|冒火花|滋啦|放炮"),
    ("flood", r"(?:洪水|内涝|漫堤|漫滩|决口|超警|超警戒|倒灌|淹(?:了|到|没|过|死|水|进|着)|被困|困(?:住|了|在)|水位(?:告警|超|暴涨)|进水|没过(?:膝|腰|车)|积水[^，。]{0,8}(?:米|过膝|熄火)|桥洞|涵洞)"),
    ("storm", r"(?:大树|树|杨树|槐树|广告牌|围墙|墙|棚|屋顶|房)[^，。]{0,12}(?:刮倒|刮断|刮跑|吹倒|拍倒|压塌|要倒|歪倒|倒了|倒伏|砸|塌|倾倒|掀)|(?:风|刮)[^，。]{0,6}(?:卷|掀|刮跑|刮飞|飞起)|掀(?:了|翻|膜|顶)|冰雹|雹子|结冰|冰层|(?:黑|暗|滑)冰|冰(?:道|坡|面)|[摔滑]倒|追尾|连环撞|翻(?:车|沟)|大风|龙卷"),
    ("missing", r"走失|走丢|失踪|不见了|找不(?:到|着)(?:人|孩子|俺|老|家)|丢了(?:孩子|个人)|寻人|没回来"),
    ("rescue", r"救人|救命|快来人|快来车|快派|伤员|受伤|昏迷|晕倒|昏过去|叫不醒|喘不上气|嘴发紫|心口疼|没应声|溺水|掉(?:进|到|井)[^，。]{0,6}(?:井|坑|河|水)|120|救护车|抢救|送医|担架|紧急|呼救|危在"),
    ("poison", r"食物中毒|上吐下泻|呕吐|吐了[^，。]{0,3}(?:回|次|遍)|拉肚子|腹泻|中毒|泄漏|氨(?:气|味)|(?:眼泪|嗓子)[^，。]{0,6}(?:哗哗|发紧)|罐车|疫情|聚集性"),
    ("violence", r"持刀|拿刀|砍人|打人|打起来|头破血流|绑架|跳楼|轻生|爬塔吊"),
)  # fmt: skip
"""Kind of danger and its words; the pack may add more."""

_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in WORDS)


def danger_words(text: str, more: re.Pattern[str]) -> list[tuple[str, str]]:
    """(kind, word) for each kind of danger that the normalised `text` names; `more` are the pack's words."""
    hits = [(kind, hit.group(0)) for kind, pattern in _COMPILED if (hit := pattern.search(text))]
    hit = more.search(text)
    return [*hits, ("pack", hit.group(0))] if hit else hits
