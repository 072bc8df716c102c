"""Orders outlive the pack that they began under: a unit or a matter that is gone stops neither reports nor people."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from orders_bench import PACK, County

from huying.contracts import commands as c
from huying.county import Pack, Unit
from huying.routing.domain import Catalogue

GONE = "U05"


def reorganised(county: County, **changes: Any) -> None:
    """From now on another pack; unless it says otherwise, one without the unit."""
    changes = changes or {"units": tuple(unit for unit in PACK.units if unit.code != GONE)}
    kept = {name: getattr(PACK, name) for name in Pack.model_fields}
    county.catalogue = Catalogue(Pack.model_construct(**kept | changes), county.catalogue.rulings)


@pytest.fixture
def county() -> County:
    return County()


class Counted(tuple[Unit, ...]):
    """Units that count how often somebody goes through them."""

    looks = 0

    def __iter__(self) -> Iterator[Unit]:
        Counted.looks += 1
        return super().__iter__()


def test_units_are_gone_through_once_however_often_one_is_asked_after(county: County) -> None:
    reorganised(county, units=Counted(unit for unit in PACK.units if unit.code != GONE))
    Counted.looks = 0
    assert [county.catalogue.knows(*units) for units in (("U02", "U04"), ("U02", GONE), ())] == [True, False, True]
    assert Counted.looks == 1


def with_it(county: County, matter: str = "M02") -> str:
    incident = county.arrives(matter=matter)
    county.done(incident, c.Assign(unit=GONE, assisting=("U09", "T01"), reason="更合适"))
    return incident


def test_a_ruling_for_a_unit_that_is_gone_leaves_it_to_the_list(county: County) -> None:
    first = county.arrives()
    for _ in range(2):
        county.done(first, c.Return(reason="错", basis="职责清单"))
    county.done(first, c.Rule(unit=GONE, assisting=("U09",), basis="纪要", scope="county"))
    assert county[county.arrives()].unit == GONE
    reorganised(county)
    assert county[county.arrives()].unit == PACK.duty("M02").main


@pytest.mark.parametrize("doubted", ["a report", "a person"])
def test_what_a_unit_that_is_gone_had_done_is_done_again_by_the_catalogues(county: County, doubted: str) -> None:
    incident = with_it(county)
    county.done(incident, c.Accept())
    county.done(incident, c.Complete(text="好"))
    reorganised(county)
    county.passes(timedelta(minutes=5))
    if doubted == "a report":
        assert county.arrives("merge", incident, text="路灯还是不亮") == incident
    else:
        county.done(incident, c.Redo(reason="没好"))
    assert (county[incident].state, county[incident].unit) == ("dispatched", PACK.duty("M02").main)


def test_an_order_of_a_unit_that_is_gone_goes_up_and_elsewhere(county: County) -> None:
    incident, other = with_it(county, "M10"), with_it(county)
    reorganised(county)
    while county[incident].course.level != "county":
        county.done(incident, c.Escalate(reason="难"))
    assert county[incident].unit == "U09"
    county.done(other, c.Return(reason="错", basis="职责清单"))
    assert county[other].unit == PACK.county.dispatch_centre


def test_a_matter_that_is_gone_must_be_named_anew(county: County) -> None:
    incident = county.arrives()
    reorganised(
        county,
        matters=tuple(matter for matter in PACK.matters if matter.code != "M02"),
        duties=tuple(line for line in PACK.duties if line.matter != "M02"),
    )
    declined = county.wishes(incident, c.Confirm(clock_class="other")).declined
    assert declined is not None
    assert (declined.reason, declined.message.startswith("matter：")) == ("not_possible", True)
    assert county.done(incident, c.Confirm(matter="M04")).classification.matter == "M04"
