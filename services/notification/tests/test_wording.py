"""The pack's words and people: what is missing is named."""

from pathlib import Path

import pytest

from huying.county import Pack
from huying.notification.audience import Audience, unreachable
from huying.notification.wording import FIELDS, Wording, WordingError


def test_a_pack_that_lacks_a_template_or_asks_for_an_unknown_field_is_refused_by_name(julu: Pack) -> None:
    texts = dict(julu.templates)
    broken = julu.model_copy(update={"templates": {**texts, "asked.txt": "{{ phone_number }}"}})
    with pytest.raises(WordingError, match=r"templates/asked\.txt.*phone_number"):
        Wording(broken)
    unsafe = julu.model_copy(update={"templates": {**texts, "asked.txt": "{{ number.__class__.__mro__ }}"}})
    with pytest.raises(WordingError, match="unsafe"):
        Wording(unsafe)
    old = {name: said for name, said in texts.items() if name not in {"resumed.txt", "reporter_resumed.txt"}}
    with pytest.raises(
        WordingError, match=r"empty: templates/asked\.txt, templates/resumed\.txt, templates/reporter_resumed\.txt;"
    ):
        Wording(julu.model_copy(update={"templates": {**old, "asked.txt": "\n"}}))


def test_the_templates_readme_names_every_template_with_its_fields() -> None:
    text = (Path(__file__).parents[3] / "deploy/county/julu/templates/README.md").read_text("utf-8")
    for name, fields in FIELDS.items():
        [line] = [line for line in text.splitlines() if line.startswith(f"| `{name}.txt`")]
        assert all(f"`{field}`" in line for field in fields), line


def test_people_without_a_way_to_reach_them_are_named(julu: Pack) -> None:
    assert unreachable(julu, (), "file:") == []
    person = julu.holders[0].model_copy(update={"contacts": ("webhook:wecom",)})
    other = julu.holders[1].model_copy(update={"contacts": ("sms:T01-duty",)})
    pack = julu.model_copy(update={"holders": (person, other)})
    first, second, third = unreachable(pack, (), "webhook:sms")
    assert "add 'wecom' to HUYING_WEBHOOKS" in first
    assert "medium 'sms' is not installed" in second
    assert "reporters" in third
    assert len(unreachable(pack, ("wecom", "sms"), "webhook:sms")) == 1


def test_two_holders_of_one_post_are_two_recipients(julu: Pack) -> None:
    first = julu.people("duty_officer", unit="U02")[0]
    second = first.model_copy(update={"handle": "U02-duty_officer-2", "contacts": ("file:second",)})
    people = {**julu._by_role, "duty_officer": (first, second)}
    pack = julu.model_copy()
    pack.__dict__["_by_role"] = people
    found = Audience(pack, "file:").holders("duty_officer", "U02", None)
    assert [recipient.id for recipient in found] == [
        "unit:U02:duty_officer:U02-duty_officer",
        "unit:U02:duty_officer:U02-duty_officer-2",
    ]
