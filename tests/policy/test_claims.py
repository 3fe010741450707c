"""Claims on customers: worked cases, what each fact does, and a day-by-day computation beside the fold."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import CrmRulesError, FieldError, RecordError, Source
from crmrules.policy.claims import Claims
from crmrules.policy.holders import Holders
from crmrules.policy.holding import Window
from crmrules.policy.ownership import Ownership

Record = dict[str, Any]
FIELDS = {
    "id": {"type": "number", "role": "id"},
    "customer": "text",
    "agent": "text",
    "day": "date",
    "what": "text",
    "to": "text",
    "until": "date",
    "deposit": "bool",
    "effective": "bool",
    "hidden": "bool",
    "exempt": "bool",
}
SOURCE = Source(name="claims", fields=FIELDS)
COLUMNS = {"customer": "customer", "who": "agent", "when": "day", "event": "what"}
FURTHER = {name: name for name in ("to", "until", "deposit", "effective", "hidden", "exempt")}


def claims(**terms: Any) -> Claims:
    return Claims(**COLUMNS, **FURTHER, **terms)


def date(text: str) -> dt.date:
    return dt.date.fromisoformat(f"2026-{text}")


def facts(*said: tuple[Any, ...]) -> list[Record]:
    """Day, person, event, and what else there is; customer A where no other is named."""
    rows = []
    for number, (day, who, event, *rest) in enumerate(said):
        row: Record = dict.fromkeys(FIELDS)
        row |= {
            "id": number,
            "customer": "A",
            "agent": who,
            "day": date(day),
            "what": event,
            "effective": True,
        }
        rows.append(row | dict(*rest))
    return rows


def outcomes(held: Holders) -> list[tuple[str, str]]:
    return [(step.event, step.outcome) for step in held.steps]


# AC-77 of ../shared/cases/worked_cases.md: the pool release date of 1Panel-dev/CordysCRM#2327


def test_ac77_ninety_days_after_the_last_contract_the_customer_enters_the_pool() -> None:
    rule = claims(after_contract="90 days", contact_within="6 months")
    held = rule.resolve(
        facts(
            ("01-10", "Ann", "register"),
            ("01-20", "Ann", "deal", {"until": date("03-31")}),
            ("04-01", "Ann", "deal", {"until": date("06-30")}),
        ),
        SOURCE,
    )
    assert held.holder("A", date("09-28")) == "Ann"
    assert held.holder("A", date("09-29")) is None
    assert held.pool_date("A") == date("09-29")
    assert (
        held.steps[-1].because
        == "90 days after the contract's end on 2026-06-30; in the pool from 2026-09-29"
    )


def test_ac77_without_a_contract_six_months_after_the_last_follow_up() -> None:
    rule = claims(after_contract="90 days", contact_within="6 months")
    held = rule.resolve(facts(("01-10", "Ann", "register"), ("02-28", "Ann", "follow_up")), SOURCE)
    assert held.holder("A", date("08-28")) == "Ann"
    assert held.pool_date("A") == date("08-29")


# AC-78, 客户报备制度: registration valid 7 days, with deposit 90


def test_ac78_a_registration_is_valid_for_seven_days_and_then_open_to_others() -> None:
    held = claims(valid=7).resolve(
        facts(("03-01", "Ann", "register"), ("03-08", "Bo", "register"), ("03-09", "Bo", "register")), SOURCE
    )
    assert outcomes(held) == [
        ("register", "granted"),
        ("register", "refused"),
        ("lapse", "lapsed"),
        ("register", "granted"),
        ("lapse", "lapsed"),
    ]
    assert held.steps[1].because == "Ann holds it, until 2026-03-08"
    assert [held.holder("A", date(day)) for day in ("03-01", "03-08", "03-09", "03-16", "03-17")] == [
        "Ann",
        "Ann",
        "Bo",
        "Bo",
        None,
    ]


@pytest.mark.parametrize(
    "said",
    [
        [("03-01", "Ann", "register", {"deposit": True})],
        [("02-25", "Ann", "register"), ("03-01", "Ann", "deposit")],
        [("02-25", "Ann", "register"), ("03-01", "Ann", "renew", {"deposit": True})],
    ],
)
def test_ac78_with_a_deposit_it_is_valid_for_ninety_days(said: list[tuple[Any, ...]]) -> None:
    held = claims(valid=7, with_deposit=90).resolve(facts(*said), SOURCE)
    assert held.pool_date("A") == date("03-01") + dt.timedelta(days=91)


def test_ac78_an_unregistered_claimant_loses() -> None:
    held = claims(valid=7).resolve(facts(("03-01", "Ann", "register"), ("03-05", "Bo", "follow_up")), SOURCE)
    assert held.payees_at("A", date("03-05")) == (("Ann", 1.0),)


# AC-78, 售楼部业绩归属: the next effective contact within 10 days inclusive; substitutes


@pytest.mark.parametrize(
    ("day", "effective", "holder"),
    [("03-11", True, "Ann"), ("03-12", True, None), ("03-11", False, None), ("03-11", None, None)],
)
def test_ac78_a_claim_survives_by_an_effective_contact_within_ten_days(
    day: str, effective: bool | None, holder: str | None
) -> None:
    said = facts(("03-01", "Ann", "register"), (day, "Ann", "follow_up", {"effective": effective}))
    held = claims(contact_within="10 days").resolve(said, SOURCE)
    assert held.holder("A", date("03-11")) == "Ann"
    assert held.holder("A", date("03-12")) == holder
    assert held.pool_date("A") == (date("03-22") if holder else date("03-12"))


@pytest.mark.parametrize(
    ("hidden", "payees"), [(False, (("Ann", 0.5), ("Bo", 0.5))), (True, (("Ann", 1.0),))]
)
def test_ac78_a_substitute_who_closes_shares_unless_it_was_hidden(hidden: bool, payees: Any) -> None:
    said = facts(("03-01", "Ann", "register"), ("03-05", "Bo", "deal", {"hidden": hidden}))
    held = claims(contact_within="10 days", substitute_share=0.5).resolve(said, SOURCE)
    assert held.payees_at("A", date("03-05")) == payees
    assert held.payees_at("A", date("03-04")) == held.payees_at("A", date("03-06")) == (("Ann", 1.0),)


# AC-78, irwmedia: reserved for 30 days


def test_ac78_closed_within_thirty_days_the_registrant_is_sole_owner_and_else_it_is_open() -> None:
    rule = claims(valid=30)
    closed = rule.resolve(facts(("03-01", "Ann", "register"), ("03-31", "Ann", "deal")), SOURCE)
    assert closed.pool_date("A") is None
    assert closed.holder("A", dt.date(2036, 1, 1)) == "Ann"
    late = rule.resolve(facts(("03-01", "Ann", "register"), ("04-01", "Ann", "deal")), SOURCE)
    assert late.pool_date("A") == date("04-01")
    assert late.steps[-1].because == "nobody holds it; a deal by itself is no claim"


# AC-78, CordysCRM PoolCustomerService: re-claim after endTime + N days, capacity, daily picks


def test_ac78_the_last_owner_may_claim_again_only_after_the_cool_down() -> None:
    said = facts(
        ("03-01", "Ann", "register"),
        ("03-05", "Ann", "release"),
        ("03-14", "Ann", "pick"),
        ("03-15", "Ann", "pick"),
    )
    held = claims(reclaim_after=10).resolve(said, SOURCE)
    assert [step.outcome for step in held.steps] == ["granted", "granted", "refused", "granted"]
    assert held.steps[2].because == "held it until 2026-03-04 and may claim it again from 2026-03-15"
    other = facts(("03-01", "Ann", "register"), ("03-05", "Ann", "release"), ("03-05", "Bo", "pick"))
    assert claims(reclaim_after=10).resolve(other, SOURCE).holder("A", date("03-05")) == "Bo"


def test_ac78_a_claim_beyond_the_capacity_is_refused_and_exempt_customers_do_not_count() -> None:
    said = facts(
        ("03-01", "Ann", "register", {"customer": "A", "exempt": True}),
        ("03-02", "Ann", "register", {"customer": "B"}),
        ("03-03", "Ann", "register", {"customer": "C"}),
        ("03-04", "Ann", "register", {"customer": "D"}),
        ("03-05", "Ann", "release", {"customer": "B"}),
        ("03-06", "Ann", "register", {"customer": "D"}),
        ("03-07", "Bo", "register", {"customer": "E"}),
    )
    held = claims(capacity=2, capacities={"Bo": 0}).resolve(said, SOURCE)
    assert [step.outcome for step in held.steps] == [
        *["granted"] * 3,
        "refused",
        "granted",
        "granted",
        "refused",
    ]
    assert held.steps[3].because == "Ann holds 2 customers that count, and the capacity is 2"


def test_ac78_picks_are_limited_on_each_calendar_day() -> None:
    said = facts(
        *(("03-01", "Ann", "pick", {"customer": name}) for name in "ABC"),
        ("03-01", "Ann", "register", {"customer": "D"}),
        ("03-01", "Bo", "pick", {"customer": "E"}),
        ("03-02", "Ann", "pick", {"customer": "C"}),
    )
    held = claims(picks_a_day=2).resolve(said, SOURCE)
    assert [step.outcome for step in held.steps] == ["granted", "granted", "refused", *["granted"] * 3]
    assert held.steps[2].because == "has picked 2 on that day, which is the limit"


# what each fact does


def test_a_lapse_frees_capacity_on_the_day_after() -> None:
    said = facts(
        ("03-01", "Ann", "register", {"customer": "A"}),
        ("03-08", "Ann", "register", {"customer": "B"}),
        ("03-09", "Ann", "register", {"customer": "C"}),
    )
    held = claims(valid=7, capacity=1).resolve(said, SOURCE)
    assert held.holder("B", date("03-08")) is None
    assert held.holder("C", date("03-09")) == "Ann"


def test_renewals_are_counted_and_belong_to_the_owner() -> None:
    said = facts(
        ("03-01", "Ann", "register"),
        ("03-05", "Bo", "renew"),
        ("03-08", "Ann", "renew"),
        ("03-10", "Ann", "renew"),
        ("03-16", "Ann", "renew"),
    )
    held = claims(valid=7, renewals=1).resolve(said, SOURCE)
    assert [step.outcome for step in held.steps] == [
        "granted",
        "refused",
        "granted",
        "refused",
        "lapsed",
        "refused",
    ]
    assert held.pool_date("A") == date("03-16")
    assert held.steps[-1].because == "the claim ended on 2026-03-15"


def test_a_transfer_counts_from_its_day_and_takes_contract_and_deposit_along() -> None:
    rule = claims(valid=7, with_deposit=90, after_contract=10)
    plain = rule.resolve(facts(("03-01", "Ann", "register"), ("03-05", "", "transfer", {"to": "Bo"})), SOURCE)
    assert [plain.holder("A", date(day)) for day in ("03-04", "03-05", "03-12", "03-13")] == [
        "Ann",
        "Bo",
        "Bo",
        None,
    ]
    signed = facts(
        ("03-01", "Ann", "register"),
        ("03-02", "Ann", "deal", {"until": date("04-30")}),
        ("03-05", None, "transfer", {"to": "Bo"}),
        ("03-06", None, "transfer", {"to": "Bo"}),
    )
    held = rule.resolve(signed, SOURCE)
    assert held.pool_date("A") == date("05-11")
    assert held.spells[0].ended == "transferred to Bo"
    assert held.steps[3].because == "Bo holds it already"


def test_a_customer_in_the_pool_can_be_transferred_to_somebody() -> None:
    held = claims().resolve(facts(("03-01", None, "transfer", {"to": "Bo"})), SOURCE)
    assert held.spells[0].began == "transfer from the pool on 2026-03-01"
    full = claims(capacity=0).resolve(facts(("03-01", None, "transfer", {"to": "Bo"})), SOURCE)
    assert full.steps[0].outcome == "refused"


def test_who_releases_does_not_hold_it_on_that_day() -> None:
    said = facts(("03-01", "Ann", "register"), ("03-05", "Bo", "release"), ("03-06", "Ann", "release"))
    held = claims().resolve(said, SOURCE)
    assert [step.outcome for step in held.steps] == ["granted", "refused", "granted"]
    assert held.holder("A", date("03-05")) == "Ann"
    assert held.pool_date("A") == date("03-06")


def test_the_host_can_end_a_claim() -> None:
    said = facts(("03-01", "Ann", "register"), ("03-05", "system", "expire"), ("03-06", "system", "expire"))
    held = claims().resolve(said, SOURCE)
    assert held.pool_date("A") == date("03-05")
    assert held.steps[-1].outcome == "noted"


def test_two_substitutes_share_what_one_would_get() -> None:
    said = facts(("03-01", "Ann", "register"), ("03-05", "Bo", "deal"), ("03-05", "Cy", "deal"))
    held = claims(substitute_share=0.5).resolve(said, SOURCE)
    assert held.payees_at("A", date("03-05")) == (("Ann", 0.5), ("Bo", 0.25), ("Cy", 0.25))
    assert held.width == 3
    assert held.timeline.at("A", date("03-05")) == ("Ann", 0.5, "Bo", 0.25, "Cy", 0.25)
    assert held.timeline.at("A", date("03-06")) == ("Ann", 1.0, None, None, None, None)


def test_a_substitute_who_becomes_owner_on_that_day_gets_all() -> None:
    said = facts(
        ("03-01", "Ann", "register"), ("03-05", "Bo", "deal"), ("03-05", None, "transfer", {"to": "Bo"})
    )
    held = claims(substitute_share=0.5).resolve(said, SOURCE)
    assert held.payees_at("A", date("03-05")) == (("Bo", 1.0),)


# against a computation day by day

days = st.integers(0, 25)
EVENTS = ("register", "pick", "renew", "follow_up", "deposit", "deal", "transfer", "release", "expire")
events = st.lists(
    st.tuples(
        days,
        st.sampled_from("AB"),
        st.sampled_from(["Ann", "Bo", "Cy"]),
        st.sampled_from(EVENTS),
        st.sampled_from(["Ann", "Bo"]),
        st.booleans(),
        st.one_of(st.none(), st.integers(-3, 12)),
    ),
    max_size=14,
)
terms = st.fixed_dictionaries(
    {
        "valid": st.sampled_from([None, 0, 4, 7]),
        "contact_within": st.sampled_from([None, 3, 10]),
        "after_contract": st.sampled_from([None, 2, 9]),
        "renewals": st.sampled_from([None, 1]),
        "reclaim_after": st.sampled_from([0, 5]),
        "capacity": st.sampled_from([None, 1]),
        "picks_a_day": st.sampled_from([None, 1]),
        "substitute_share": st.sampled_from([None, 0.5]),
    }
).map(lambda said: said | {"with_deposit": 12 if said["valid"] is not None else None})
START = dt.date(2026, 3, 1)


def rows_of(said: list[tuple[Any, ...]]) -> list[Record]:
    rows = []
    for number, (day, customer, who, event, to, flag, until) in enumerate(said):
        rows.append(
            {
                "id": number,
                "customer": customer,
                "agent": who,
                "day": START + dt.timedelta(days=day),
                "what": event,
                "to": to,
                "until": None if until is None else START + dt.timedelta(days=day + until),
                "deposit": flag and event != "follow_up",
                "effective": flag,
                "hidden": flag,
                "exempt": False,
            }
        )
    return rows


def by_day(said: list[tuple[Any, ...]], terms: Record) -> list[dict[str, list[tuple[str, float]]]]:
    """Who holds what at the end of each of 60 days, kept as plain facts about each claim."""
    holds: dict[str, Record] = {}
    lost: dict[str, tuple[str, int]] = {}
    result = []
    for day in range(60):
        for customer, claim in [*holds.items()]:
            if over(claim, day, terms):
                lost[customer] = claim["who"], day
                del holds[customer]
        picked: dict[str, int] = {}
        shared: dict[str, list[str]] = {}
        for _, customer, who, event, to, flag, until in (each for each in said if each[0] == day):
            claim = holds.get(customer)
            mine = claim is not None and claim["who"] == who

            def full(person: str) -> bool:
                owned = sum(other["who"] == person for other in holds.values())
                return terms["capacity"] is not None and owned >= terms["capacity"]

            if event in ("register", "pick"):
                cooling = lost.get(customer, ("", 0))[0] == who
                cooling = cooling and day < lost[customer][1] + terms["reclaim_after"]
                limit = terms["picks_a_day"] if event == "pick" else None
                beyond = limit is not None and picked.get(who, 0) >= limit
                if claim is None and not cooling and not full(who) and not beyond:
                    picked[who] = picked.get(who, 0) + (event == "pick")
                    holds[customer] = fresh(who, day, day if flag else None)
            elif (
                event == "renew"
                and mine
                and (terms["renewals"] is None or claim["renewed"] < terms["renewals"])
            ):
                claim["renewed"] += 1
                claim["valid"] = day
                claim["paid"] = day if flag else claim["paid"]
            elif event == "follow_up" and mine and flag:
                claim["met"] = day
            elif event == "deposit" and mine:
                claim["paid"] = day
            elif event == "deal" and claim is not None:
                claim["met"] = day
                if until is None or terms["after_contract"] is None:
                    claim["forever"] = True
                else:
                    claim["contracts"].append(max(day, day + until))
                if not mine and not flag and terms["substitute_share"] is not None:
                    shared.setdefault(customer, []).append(who)
            elif event == "transfer" and (claim is None or claim["who"] != to) and not full(to):
                if claim is not None:
                    lost[customer] = claim["who"], day
                old = claim or fresh(to, day, None)
                holds[customer] = {**fresh(to, day, day if flag else old["paid"])}
                holds[customer] |= {"contracts": old["contracts"], "forever": old["forever"]}
            elif (event == "release" and mine) or (event == "expire" and claim is not None):
                lost[customer] = claim["who"], day
                del holds[customer]
        today = {}
        for customer, claim in holds.items():
            others = [each for each in dict.fromkeys(shared.get(customer, [])) if each != claim["who"]]
            part = terms["substitute_share"] if others else 0.0
            today[customer] = [(claim["who"], 1.0 - part), *((each, part / len(others)) for each in others)]
        result.append(today)
    return result


def fresh(who: str, day: int, paid: int | None) -> Record:
    return {
        "who": who,
        "valid": day,
        "met": day,
        "paid": paid,
        "renewed": 0,
        "contracts": [],
        "forever": False,
    }


def over(claim: Record, day: int, terms: Record) -> bool:
    if claim["forever"]:
        return False
    if claim["contracts"]:
        return day > max(claim["contracts"]) + terms["after_contract"]
    if terms["contact_within"] is not None and day > claim["met"] + terms["contact_within"]:
        return True
    if terms["valid"] is None:
        return False
    paid = claim["paid"] is not None and day <= claim["paid"] + terms["with_deposit"]
    return day > claim["valid"] + terms["valid"] and not paid


@given(events, terms)
def test_the_fold_agrees_with_a_computation_day_by_day(said: list[tuple[Any, ...]], terms: Record) -> None:
    held = claims(**terms).resolve(rows_of(said), SOURCE)
    for number, today in enumerate(by_day(said, terms)):
        day = START + dt.timedelta(days=number)
        for customer in "AB":
            assert [*held.payees_at(customer, day)] == [
                (who, pytest.approx(share)) for who, share in today.get(customer, [])
            ]


@given(events, terms, st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(said: list[tuple[Any, ...]], terms: Record, random: Any) -> None:
    rows = rows_of(said)
    held = claims(**terms).resolve(rows, SOURCE)
    random.shuffle(rows)
    again = claims(**terms).resolve(rows, SOURCE)
    assert (again.spells, again.steps, again.stretches) == (held.spells, held.steps, held.stretches)


@given(events, terms)
def test_no_day_has_two_holders_unless_they_share_it(said: list[tuple[Any, ...]], terms: Record) -> None:
    held = claims(**terms).resolve(rows_of(said), SOURCE)
    for one, other in zip(held.stretches, held.stretches[1:], strict=False):
        if one.customer == other.customer:
            assert one.last is not None
            assert one.last < other.first
    for stretch in held.stretches:
        assert sum(share for _, share in stretch.owners) == pytest.approx(1)
        if len(stretch.owners) > 1:
            assert stretch.first == stretch.last
        # The timeline holds what the stretches say, and refuses what overlaps.
        value = held.timeline.at(stretch.customer, stretch.first) or ()
        assert tuple(zip(value[::2], value[1::2], strict=True))[: len(stretch.owners)] == stretch.owners


@given(events, st.integers(0, 9))
def test_no_claim_outlives_its_window(said: list[tuple[Any, ...]], length: int) -> None:
    said = [each for each in said if each[3] != "deal"]
    held = claims(valid=length).resolve(rows_of(said), SOURCE)
    for spell in held.spells:
        assert spell.last is not None
        granted = [
            step.day
            for step in held.steps
            if step.customer == spell.customer and step.outcome == "granted" and step.day <= spell.last
            if step.event in ("register", "pick", "renew", "transfer")
        ]
        assert spell.last <= max(granted) + dt.timedelta(days=length)


# engines and tables

SCHEMA = {
    name: {"day": pl.Date(), "until": pl.Date(), "id": pl.Int64()}.get(name)
    or (pl.Boolean() if kind == "bool" else pl.String())
    for name, kind in FIELDS.items()
}
KINDS = {"Polars": pl.DataFrame, "Polars lazy": pl.DataFrame, "PyArrow": pa.Table}
Makers = Mapping[str, Callable[[pl.DataFrame], Any]]


@pytest.mark.parametrize("engine", ["pandas", "pandas over Arrow", "Polars", "Polars lazy", "PyArrow"])
@given(events, terms)
def test_every_engine_resolves_the_same(
    engine: str, from_polars: Makers, said: list[tuple[Any, ...]], terms: Record
) -> None:
    rows = rows_of(said)
    frame = from_polars[engine](pl.DataFrame(rows, SCHEMA))
    expected, held = claims(**terms).resolve(rows, SOURCE), claims(**terms).resolve(frame, SOURCE)
    assert (held.spells, held.steps, held.stretches) == (expected.spells, expected.steps, expected.stretches)
    assert [str(step.record) for step in held.steps] == [str(step.record) for step in expected.steps]
    for table in (held.to_native(), held.trace()):
        assert isinstance(table, KINDS.get(engine, pd.DataFrame))


def test_the_owners_of_records_are_those_who_hold_them() -> None:
    said = facts(("03-01", "Ann", "register"), ("03-05", "Bo", "deal"), ("03-09", "Ann", "release"))
    held = claims(substitute_share=0.4).resolve(said, SOURCE)
    owners = held.ownership("nobody")
    table = Ownership.of(
        None, held.to_native(), key="customer", owner="owner", share="share", start="from", end="to"
    )
    for day in ("02-28", "03-01", "03-04", "03-05", "03-06", "03-08", "03-09"):
        assert owners.payees_at("A", date(day)) == held.payees_at("A", date(day))
        assert table.payees_at("A", date(day)) == held.payees_at("A", date(day))
    numbered = Claims(**COLUMNS).resolve(
        [{"customer": 7, "agent": "Ann", "day": date("03-01"), "what": "register"}]
    )
    assert numbered.ownership().payees_at(7.0, date("03-02")) == (("Ann", 1.0),)
    assert numbered.to_native()["customer"].to_list() == [7.0]  # type: ignore[index]


def test_it_shows_itself_and_gives_a_table_of_owners() -> None:
    said = facts(("03-01", "Ann", "register"), ("03-05", "Bo", "deal"), ("03-06", "Cy", "register"))
    held = claims(valid=7, substitute_share=0.4).resolve(pl.DataFrame(said, SCHEMA), SOURCE)
    native: Any = held.to_native()
    assert native.rows() == [
        ("A", "Ann", 1.0, date("03-01"), date("03-04")),
        ("A", "Ann", 0.6, date("03-05"), date("03-05")),
        ("A", "Bo", 0.4, date("03-05"), date("03-05")),
        ("A", "Ann", 1.0, date("03-06"), None),
    ]
    assert native.columns == ["customer", "owner", "share", "from", "to"]
    assert str(held).startswith("Claims: 1 customer held, 1 refused")
    assert "<td" in held._repr_html_()
    assert held.explain("A").splitlines()[3] == (
        "  2026-03-06  refused  register by Cy: Ann holds it, without an end"
    )
    with pytest.raises(CrmRulesError, match="there is no claim on 'AA'"):
        held.explain("AA")


def test_times_of_day_order_the_facts_of_a_day() -> None:
    source = Source(fields={"customer": "text", "agent": "text", "day": "datetime", "what": "text"})
    rows = [
        {"customer": "A", "agent": who, "day": dt.datetime(2026, 3, 1, hour), "what": "register"}
        for who, hour in (("Bo", 10), ("Ann", 9))
    ]
    rule = Claims(**COLUMNS, valid=7)
    assert rule.resolve(rows, source).holder("A", date("03-01")) == "Ann"
    assert rule.resolve(pd.DataFrame(rows)).holder("A", date("03-01")) == "Ann"


def test_hosts_words_are_named() -> None:
    rows = [{"customer": 7, "agent": "Ann", "day": date("03-01"), "what": "报备"}]
    rule = Claims(**COLUMNS, events={"报备": "register", "释放": "release"}, valid="7 天")
    assert rule.resolve(rows).holder("7", date("03-08")) == "Ann"
    with pytest.raises(FieldError, match="'报名' is no event of a claim") as error:
        rule.resolve([{**rows[0], "what": "报名"}])
    assert error.value.code == "L201"
    assert "`报备`" in error.value.hint


# bad input


def test_facts_of_one_moment_about_one_customer_need_an_order() -> None:
    rows = [
        {"customer": "A", "agent": who, "day": date("03-01"), "what": "register", "nr": nr}
        for who, nr in (("Ann", 2), ("Bo", 1))
    ]
    with pytest.raises(RecordError, match="two facts about the customer 'A' tie on 2026-03-01") as error:
        Claims(**COLUMNS).resolve(rows)
    assert "`order`" in error.value.hint
    assert Claims(**COLUMNS, order="nr").resolve(rows).holder("A", date("03-01")) == "Bo"


def test_facts_of_one_person_tie_only_where_capacity_depends_on_it() -> None:
    rows = [{"customer": name, "agent": "Ann", "day": date("03-01"), "what": "register"} for name in "AB"]
    assert len(Claims(**COLUMNS).resolve(rows).spells) == 2
    with pytest.raises(RecordError, match="two facts about the person 'Ann' tie"):
        Claims(**COLUMNS, capacity=1).resolve(rows)


def test_what_is_incomplete_is_left_out_and_told() -> None:
    said = facts(
        ("03-01", None, "register"),
        ("03-01", "Ann", None),
        ("03-01", "Ann", "register", {"customer": None}),
        ("03-01", "Ann", "transfer"),
    )
    held = claims().resolve(said, SOURCE)
    assert [reason for _, reason in held.left_out] == [
        "`agent` is missing",
        "`what` is missing",
        "`customer` is missing",
        "`to` is missing",
    ]
    assert "left out: record 0: `agent` is missing" in str(held)
    bare = Claims(**COLUMNS).resolve(said, SOURCE)
    assert bare.left_out[-1][1] == "a transfer needs `to`: name its field"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"valid": "seven days"}, "'seven days' is no length of time: a window is written in days or months"),
        ({"valid": -1}, "-1 is no length of time"),
        ({"with_deposit": 90}, "`with_deposit` goes with `valid`"),
        ({"after_contract": 90}, "`after_contract` goes with `until`"),
        ({"events": {"报备": "registered"}}, "Input should be 'register'"),
        ({"capacity": -1}, "greater than or equal to 0"),
        ({"substitute_share": 1.5}, "less than or equal to 1"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(changes: Record, said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        Claims(**COLUMNS, **changes)


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"who": "agnt"}, ("who",), "has no field `agnt`"),
        ({"when": "what"}, ("when",), "field `what` is text, expected date or datetime"),
        ({"deposit": "what"}, ("deposit",), "field `what` is text, expected bool"),
        ({"order": ("nr",)}, ("order",), "has no field `nr`"),
    ],
)
def test_what_does_not_fit_the_source_is_told_with_its_place(changes: Record, path: Any, said: str) -> None:
    rule = Claims(**(COLUMNS | changes))
    ((found, error),) = rule.problems(SOURCE)
    assert found == path
    assert said in error.message
    assert error.hint
    with pytest.raises(FieldError, match=said):
        rule.resolve([], SOURCE)


@pytest.mark.parametrize(
    ("window", "after", "last"),
    [
        (Window(days=0), dt.date(2026, 3, 1), dt.date(2026, 3, 1)),
        (Window(days=90), dt.date(2026, 6, 30), dt.date(2026, 9, 28)),
        (Window(months=1), dt.date(2026, 1, 31), dt.date(2026, 2, 28)),
        (Window(months=1), dt.date(2028, 1, 31), dt.date(2028, 2, 29)),
        (Window(months=12), dt.date(2028, 2, 29), dt.date(2029, 2, 28)),
        (Window(months=6), dt.date(2026, 8, 31), dt.date(2027, 2, 28)),
        (Window(days=9999), dt.date(9999, 12, 1), dt.date.max),
        (Window(months=9999), dt.date(9999, 12, 1), dt.date.max),
    ],
)
def test_the_last_day_of_a_window(window: Window, after: dt.date, last: dt.date) -> None:
    assert window.last_day(after) == last


def test_a_declaration_survives_json() -> None:
    rule = claims(
        valid="7 days", contact_within="6 months", after_contract="1 year", events={"a": "register"}
    )
    assert Claims.model_validate_json(rule.model_dump_json()) == rule
    assert Claims.model_json_schema()["properties"]["valid"]["anyOf"][0] == {"type": "integer"}
