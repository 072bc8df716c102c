"""Free text as it may be published: every spelling of a person's number is masked, and nothing else is touched."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huying.contracts import commands
from huying.contracts.commands import Complete, Confirm, Group, Merge, Return
from huying.contracts.places import Place
from huying.contracts.reports import Attachment
from huying.contracts.wording import clean, clean_line, mask_numbers, masked

MOBILES = (
    "13812345678",
    "１３８１２３４５６７８",
    "𝟏𝟑𝟖𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖",
    "138 1234 5678",
    "138-1234-5678",
    "138.1234.5678",
    "138　1234　5678",
    "138－1234－5678",
    "138 - 1234 - 5678",
    "138\u200b1234\u200b5678",
    "1 3 8 1 2 3 4 5 6 7 8",
    "1-3-8-1-2-3-4-5-6-7-8",
    "+86 13812345678",
    "＋８６　１３８１２３４５６７８",
    "+86-138-1234-5678",
    "(+86)13812345678",
    "008613812345678",
    "8613812345678",
    "138\u200e1234\u200e5678",
    "138\u202d1234\u202c5678",
    "138\u00ad1234\ufeff5678",
    "1\u20663\u20668\u20661\u20662\u20663\u20664\u20665\u20666\u20667\u20668",
)
ID_NUMBERS = (
    "13052919900101123X",
    "13052919900101123x",
    "１３０５２９１９９００１０１１２３Ｘ",
    "130529199001011234",
    "130529 19900101 123X",
    "130529-19900101-1234",
    "130529　19900101　123Ｘ",
    "130529900101123",
)
LANDLINES = (
    "03194332211",
    "0319-4332211",
    "（0319）4332211",
    "0319 4332211",
    "(0319) 433 2211",
    "010-82345678",
    "０３１９－４３３２２１１",
)


@pytest.mark.parametrize("number", [*MOBILES, *ID_NUMBERS, *LANDLINES])
def test_every_spelling_of_a_number_is_masked(number: str) -> None:
    for text in (number, f"请联系{number}。", f"电话:{number},{number}", f"a{number}b"):
        shown = mask_numbers(text)
        left = "".join(character for character in shown if character.isdigit())
        assert "*" in shown
        assert len(left) <= 8 * text.count(number), shown
        assert mask_numbers(shown) == shown
        assert len(shown) <= len(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("请回电13812345678，谢谢", "请回电138****5678，谢谢"),
        ("+86 138-3191-2345", "138****2345"),
        ("（0319）4332211", "（0319）***2211"),
        ("0319-4332211转8", "0319-***2211转8"),
        ("身份证130529198001013512", "身份证13**************12"),
        ("老证130529800101123", "老证13***********23"),
    ],
)
def test_a_masked_number_has_one_form_with_one_star_a_digit(text: str, shown: str) -> None:
    assert mask_numbers(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "编号130529100036，2026年3月2日08:10，宽3500mm",
        "倾角41° 电压3.6V JG-100214",
        "2026-03-02 08:10 至 2026-03-05 17:30",
        "2026 03 02 08 10",
        "表号 1234 5678 9012",
        "110、119、12345",
        "13 棵树，15 米，1380 元",
        "事件 260302-00012",
    ],
)
def test_other_numbers_are_left(text: str) -> None:
    assert mask_numbers(text) == text


@given(st.text(st.sampled_from("0123456789Xx-+ 年１３８＊*()")))
def test_a_masked_text_is_no_longer_than_it_was_and_stays_as_it_is(text: str) -> None:
    shown = mask_numbers(text)
    assert len(shown) <= len(text)
    assert mask_numbers(shown) == shown


def test_unsafe_characters_go_and_lines_stay() -> None:
    assert clean(" 一\u202e行\x00\n二\t行 ") == "一行\n二\t行"
    assert clean_line(" 一\n二  三 ") == "一 二 三"


def test_every_free_text_of_a_command_is_masked_and_no_name_of_a_thing() -> None:
    told = "找13812345678"
    hidden = "找138****5678"
    odd = "in-a13812345678b"
    link = Attachment(url="https://files.example/13812345678.jpg")
    assert masked(Complete(text=told, attachments=(link,))) == Complete(text=hidden, attachments=(link,))
    assert masked(Return(reason=told, basis=told, suggested_unit="U13812345678")) == Return(
        reason=hidden, basis=hidden, suggested_unit="U13812345678"
    )
    assert masked(Confirm(place=Place(address=told))) == Confirm(place=Place(address=hidden))
    assert masked(Merge(into=odd, reason=told)) == Merge(into=odd, reason=hidden)
    assert masked(Group(children=(odd,))) == Group(children=(odd,))
    untouched = commands.Accept()
    assert masked(untouched) is untouched


@pytest.mark.parametrize("kind", get_args(get_args(commands.Action)[0]))
def test_no_command_has_a_text_that_escapes(kind: Any) -> None:
    """A command or field that is added later is masked without anybody thinking of it."""
    words = "我是13812345678"
    fields = kind.model_json_schema()["properties"]
    empty = {name: None for name, field in kind.model_fields.items() if field.is_required()}
    for name, field in fields.items():
        texts = [part for part in field.get("anyOf", [field]) if part.get("type") == "string"]
        if (
            name in {"into", "report"}
            or not texts
            or any({"pattern", "format", "const", "enum"} & part.keys() for part in texts)
        ):
            continue  # the id of an incident or a report, no text, or nothing that words fit into
        assert getattr(masked(kind.model_construct(**empty | {name: words})), name) == "我是138****5678", name
