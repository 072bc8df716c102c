"""Domain: one person has one reference, and nobody reads a person out of it."""

import pytest

from huying.contracts import persons
from huying.contracts.identity import deterministic_id
from huying.contracts.reports import Reporter


def hashed(*parts: str) -> str:
    """Stands for the installation's keyed hash."""
    return deterministic_id("t", *parts).removeprefix("t-")


def ref(scope: str = "rp-1", **words: str) -> str:
    return persons.reference_of(Reporter(**words), scope, hashed).ref


@pytest.mark.parametrize(
    "spelling", ["13803191234", "138 0319 1234", "+86-138-0319-1234", "008613803191234", "１３８０３１９１２３４"]
)
def test_one_telephone_is_one_person_however_it_is_written(spelling: str) -> None:
    assert ref(phone=spelling, name="张三", scope="rp-9") == ref(phone="13803191234")


def test_kinds_of_identity_do_not_run_into_one_another() -> None:
    number = "13052919800101123"
    assert len({ref(phone=number), ref(id_number=number), ref(reference=number), ref(name=number)}) == 4


def test_two_people_of_one_name_and_no_number_are_two() -> None:
    assert ref("rp-1", name="张伟") != ref("rp-2", name="张伟")
    assert ref("rp-1", name="张伟") == ref("rp-1", name="张伟")


def test_words_that_are_no_number_are_no_number() -> None:
    assert persons.phone_of("无") is None
    assert persons.phone_of("110") is None
    assert ref("rp-1", name="张伟", phone="无") != ref("rp-2", name="张伟", phone="无")


def test_words_that_are_no_identity_card_are_nobodys() -> None:
    assert ref("rp-1", name="张伟", id_number="无") != ref("rp-2", name="李梅", id_number="无")
    assert persons.hide("家中无水", Reporter(id_number="无")) == "家中无水"


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("name", "张三丰"),
        ("phone", "138 0319 1234"),
        ("phone", "4332211"),
        ("id_number", "E12345678"),
        ("reference", "13803191234"),
        ("reference", "park-13803191234"),
        ("reference", "park:+8613803191234"),
        ("reference", "138-0319-1234"),
        ("reference", "张三丰１３８０３１９１２３４"),
        ("reference", "park-13052919800101123x"),
    ],
)
def test_a_person_in_clear_is_seen(field: str, words: str) -> None:
    assert persons.in_clear(Reporter(**{field: words})) == field


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("phone", "无"),
        ("phone", "0"),
        ("id_number", "无"),
        ("id_number", "0"),
        ("reference", "park-4711"),
        ("reference", "GD0310-2026-1234"),
        ("reference", "130529-2026-11-27-001"),
        ("reference", "cust-18800001234567"),
        ("reference", "550e8400-e29b-41d4-a716-138031912345"),
        ("reference", "a3c1f138-0319-1234-8f0a-0319a4332211"),
        ("reference", "0123456789ab13803191234cdef01234"),
    ],
)
def test_what_names_nobody_is_no_person_in_clear(field: str, words: str) -> None:
    assert persons.in_clear(Reporter(**{field: words})) is None


def test_an_empty_reporter_is_none() -> None:
    assert persons.told(Reporter(name=" \x00 ")) is None
    assert persons.told(None) is None


@pytest.mark.parametrize(
    ("words", "masked"),
    [
        ({"reference": "r001"}, "r001"),
        ({"reference": "13803191234"}, "138****1234"),
        ({"name": "张三丰"}, "张**"),
        ({"name": "张三", "phone": "4332211"}, "张** ****11"),
        ({"id_number": "13052919800101123x"}, "13**************3X"),
    ],
)
def test_the_masked_form_tells_a_dispatcher_enough_and_no_more(words: dict[str, str], masked: str) -> None:
    assert persons.reference_of(Reporter(**words), "rp-1", hashed).masked == masked


@pytest.mark.parametrize("spelling", ["r071", " ｒ０７１ "])
def test_an_anonymous_reference_is_one_person_whatever_its_spelling(spelling: str) -> None:
    told = persons.told(Reporter(reference=spelling))
    assert told is not None
    assert persons.reference_of(told, "rp-1", hashed).ref == ref("rp-2", reference="r071")


@pytest.mark.parametrize(
    ("reporter", "text", "masked"),
    [
        (Reporter(name="张国强", phone="4332211"), "我是张国强，找4332211", "我是张**，找****11"),
        (Reporter(id_number="E 12345678"), "护照E12345678", "护照E1*****78"),
        (Reporter(name="李"), "李庄村西头", "李庄村西头"),
        (Reporter(name="张 三"), "我是张三，张 三", "我是张**，张**"),
        (Reporter(phone="0319-4321234"), "请回电4321234", "请回电****34"),
        (Reporter(phone="010-66123456"), "座机6612 3456", "座机****56"),
        (Reporter(phone="4321234"), "打432-1234或0319-4321234", "打****34或0319-***1234"),
        (Reporter(id_number="H1234567"), "证件 h123 4567", "证件 ****"),
        (Reporter(id_number="H-1234567"), "证件H1234567", "证件H-*****67"),
        (Reporter(name="阿不都·热合曼"), "我是阿不都热合曼，阿不都 · 热合曼", "我是阿**，阿**"),
        (Reporter(name="——"), "路灯——坏了", "路灯——坏了"),
        (Reporter(name="李·", id_number="1"), "李庄1号", "李庄1号"),
        (Reporter(phone="4321234", id_number="(无)"), "工单4321,234号", "工单4321,234号"),
    ],
)
def test_what_a_reporter_told_of_himself_is_masked_in_the_text(reporter: Reporter, text: str, masked: str) -> None:
    assert persons.hide(text, reporter) == masked


def test_masked_words_are_never_longer_than_their_field_takes() -> None:
    reporter = Reporter(name="张三")
    told = {field: "张三" * (longest // 2) for field, longest in persons.LONGEST.items()}
    assert {field: len(words) for field, words in persons.shown(told, reporter).items()} == persons.LONGEST
