"""A message with two problems is proposed in two halves; one problem told at length is not."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from huying.county import load
from huying.routing.judgement import Judge, ReportFacts, load_model
from huying.routing.judgement.pack import bits_of
from huying.routing.judgement.parts import parts

JULU = Path(__file__).parents[3] / "deploy/county/julu"
JUDGE = Judge(bits_of(load(JULU)), load_model(JULU / "model/judgement.npz"))


def report(text: str) -> ReportFacts:
    return ReportFacts("r1", "citizen_app", datetime(2026, 3, 2, tzinfo=UTC), text)


@pytest.mark.parametrize(
    ("text", "matters"),
    [
        ("村口垃圾桶满了三天没人拉，臭得很。另外学校门口的路灯也不亮了", ("M09", "M02")),
        ("广场舞音响太吵，吵得睡不着觉，还有就是自来水发黄有铁锈没法喝", ("M13", "M04")),
    ],
)
def test_two_headings_joined_by_a_word_are_two_parts(text, matters):
    found = parts(JUDGE, report(text))
    assert tuple(part.screening.matter for part in found) == matters
    assert all(part.text in text for part in found)


@pytest.mark.parametrize(
    "text", ["村口路灯不亮，另外旁边那个路灯也不亮了，黑灯瞎火", "停水一天了，啥时候来水", "另外，路灯坏了"]
)
def test_one_problem_stays_whole(text):
    assert parts(JUDGE, report(text)) == ()
