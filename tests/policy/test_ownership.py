"""Who owns what on which day: handovers, transitions, shares, and the same payees on every engine."""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from crmrules import FieldError, RecordError, Source
from crmrules.binding import bind_frame
from crmrules.frames import columns_of
from crmrules.policy.dated import Fallback, OwnershipRule, Transition
from crmrules.policy.ownership import Owners, Ownership

Row = dict[str, Any]

TABLE = Source(
    name="owners",
    fields={"customer": "text", "rep": "text", "since": "date", "until": "date", "part": "number"},
)
FIELDS = {"key": "customer", "owner": "rep", "start": "since", "end": "until"}
SHARED = {**FIELDS, "share": "part"}
ORDERS = Source(name="orders", fields={"customer": "text", "day": "date", "at": "datetime", "rep": "text"})


def d(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def row(rep: str | None, since: str | None, until: str | None = None, part: float | None = None) -> Row:
    return {"customer": "A", "rep": rep, "since": d(since), "until": d(until), "part": part}


def owned(*rows: Row, **options: Any) -> Ownership:
    return Ownership.of(TABLE, [*rows], **{**FIELDS, **options})


def on(ownership: Ownership, *days: str) -> list[Owners]:
    return [ownership.payees_at("A", d(day)) for day in days]


HANDOVER = [row("Ann", None, "2026-06-30"), row("Bo", "2026-07-01")]
ANN, BO, CY = (("Ann", 1.0),), (("Bo", 1.0),), (("Cy", 1.0),)
HALVES = (("Ann", 0.5), ("Bo", 0.5))


def test_after_a_handover_the_owner_on_the_day_gets_all() -> None:
    # DESIGN.md §6: credit by the owner on the record's date.
    assert on(owned(*HANDOVER), "2026-06-30", "2026-07-01") == [ANN, BO]


def test_a_transition_of_90_days_ends_with_its_90th_day() -> None:
    # The days are those of worked case AC-77 (1Panel-dev/CordysCRM#2327): the contract's last day is
    # 2026-06-30, the last of 90 protected days 2026-09-28, all is over on 2026-09-29.
    found = owned(*HANDOVER, transition=Transition(days=90, old=0.5))
    days = ["2026-06-30", "2026-07-01", "2026-09-28", "2026-09-29"]
    assert on(found, *days) == [ANN, HALVES, HALVES, BO]


def test_days_of_a_transition_are_counted_from_the_first_day_of_the_new_owner() -> None:
    found = owned(*HANDOVER, transition=Transition(days=1, old=0.25))
    shared = (("Ann", 0.25), ("Bo", 0.75))
    assert on(found, "2026-06-30", "2026-07-01", "2026-07-02") == [ANN, shared, BO]


def test_months_of_a_transition_end_on_the_last_day_of_a_shorter_month() -> None:
    rows = [row("Ann", None, "2026-01-30"), row("Bo", "2026-01-31")]
    for months, last, after in [(1, "2026-02-27", "2026-02-28"), (3, "2026-04-29", "2026-04-30")]:
        found = owned(*rows, transition=Transition(months=months))
        assert on(found, "2026-01-31", last, after) == [HALVES, HALVES, BO]


def test_a_transition_may_give_all_to_the_owner_before_and_shares_are_round() -> None:
    found = owned(*HANDOVER, transition=Transition(days=2, old=1))
    assert on(found, "2026-07-02", "2026-07-03") == [ANN, BO]
    assert on(owned(*HANDOVER, transition=Transition(days=2, old=0.7)), "2026-07-01") == [
        (("Ann", 0.7), ("Bo", 0.3))
    ]


def test_a_handover_during_a_transition_ends_it() -> None:
    found = owned(
        row("Ann", None, "2026-06-30"),
        row("Bo", "2026-07-01", "2026-07-31"),
        row("Cy", "2026-08-01"),
        transition=Transition(days=90),
    )
    later = (("Bo", 0.5), ("Cy", 0.5))
    days = ["2026-06-30", "2026-07-31", "2026-08-01", "2026-10-29", "2026-10-30"]
    assert on(found, *days) == [ANN, HALVES, later, later, CY]
    assert found.width == 2


def test_a_customer_given_back_is_handed_over_twice() -> None:
    found = owned(
        row("Ann", None, "2026-06-30"),
        row("Bo", "2026-07-01", "2026-07-10"),
        row("Ann", "2026-07-11"),
        transition=Transition(days=90, old=0.25),
    )
    assert on(found, "2026-07-10", "2026-07-11") == [
        (("Ann", 0.25), ("Bo", 0.75)),
        (("Bo", 0.25), ("Ann", 0.75)),
    ]


def test_a_renewal_and_a_gap_are_no_handover() -> None:
    renewed = owned(row("Ann", None, "2026-06-30"), row("Ann", "2026-07-01"), transition=Transition(days=90))
    assert on(renewed, "2026-07-01") == [ANN]
    gap = owned(row("Ann", None, "2026-06-29"), row("Bo", "2026-07-01"), transition=Transition(days=90))
    assert on(gap, "2026-06-30", "2026-07-01") == [(), BO]


def test_a_transition_lasts_no_longer_than_the_new_ownership() -> None:
    found = owned(
        row("Ann", None, "2026-06-30"), row("Bo", "2026-07-01", "2026-07-31"), transition=Transition(days=90)
    )
    assert on(found, "2026-07-31", "2026-08-01") == [HALVES, ()]


def test_without_a_last_day_the_table_is_a_history() -> None:
    found = owned(row("Ann", "2026-01-01"), row("Bo", "2026-07-01"), end=None)
    assert on(found, "2025-12-31", "2026-06-30", "2026-07-01") == [(), ANN, BO]


def test_owners_side_by_side_share_as_their_rows_say() -> None:
    # Worked case AC-78 (360docs.net/doc/ec18220697): a substitute who closes the deal shares it 50/50; one
    # who hid it gets nothing of it.
    rows = [
        row("Ann", None, "2026-07-31", 1.0),
        row("Ann", "2026-08-01", "2026-08-14", 0.5),
        row("Bo", "2026-08-01", "2026-08-14", 0.5),
        row("Ann", "2026-08-15", "2026-08-15", 1.0),
        row("Bo", "2026-08-15", "2026-08-15", 0.0),
        row("Ann", "2026-08-16", None, 1.0),
    ]
    found = owned(*rows, **SHARED)
    days = ["2026-07-31", "2026-08-01", "2026-08-14", "2026-08-15", "2026-08-16"]
    assert on(found, *days) == [ANN, HALVES, HALVES, ANN, ANN]


def test_a_history_with_shares_takes_the_rows_that_started_last_together() -> None:
    rows = [
        row("Ann", "2026-01-01", part=0.4),
        row("Bo", "2026-01-01", part=0.6),
        row("Cy", "2026-07-01", part=1),
    ]
    found = owned(*rows, **{**SHARED, "end": None})
    assert on(found, "2026-06-30", "2026-07-01") == [(("Ann", 0.4), ("Bo", 0.6)), CY]


def test_several_owners_hand_over_together_and_a_change_of_shares_is_no_handover() -> None:
    rows = [
        row("Ann", None, "2026-06-30", 0.6),
        row("Bo", None, "2026-06-30", 0.4),
        row("Bo", "2026-07-01", "2026-07-31", 0.5),
        row("Cy", "2026-07-01", "2026-07-31", 0.5),
        row("Bo", "2026-08-01", None, 0.2),
        row("Cy", "2026-08-01", None, 0.8),
    ]
    found = owned(*rows, **SHARED, transition=Transition(days=62, old=0.5))
    assert on(found, "2026-07-01", "2026-08-01", "2026-08-31", "2026-09-01") == [
        (("Ann", 0.3), ("Bo", 0.45), ("Cy", 0.25)),
        (("Ann", 0.3), ("Bo", 0.3), ("Cy", 0.4)),
        (("Ann", 0.3), ("Bo", 0.3), ("Cy", 0.4)),
        (("Bo", 0.2), ("Cy", 0.8)),
    ]


def test_a_timestamp_counts_as_its_day() -> None:
    found = owned(*HANDOVER)
    assert found.payees_at("A", dt.datetime(2026, 6, 30, 23, 59, 59)) == ANN


@pytest.mark.parametrize(
    ("rows", "options", "code", "told"),
    [
        (
            [row("Ann", None, "2026-03-31"), row("Bo", "2026-03-31")],
            {},
            "D103",
            "table `owners`, rows 0 (to 2026-03-31) and 1 (from 2026-03-31 on) are both about 'A' "
            "on 2026-03-31\n  = end row 0 on 2026-03-30, or write overlap: latest_start",
        ),
        (
            [row("Ann", "2026-01-01", None, 0.5), row("Ann", "2026-02-01", "2026-02-28", 0.5)],
            SHARED,
            "D106",
            "table `owners`, row 0: the shares of 'A' sum to 0.5 from 2026-01-01 to 2026-01-31 (0.5 to Ann)\n"
            "  = they sum to 1 on every day, or write shares: at_most_one",
        ),
        (
            [row("Ann", "2026-01-01", None, 0.5), row("Ann", "2026-02-01", "2026-02-28", 0.5)],
            {**SHARED, "shares": "at_most_one"},
            "D103",
            "table `owners`, rows 0 and 1: 'Ann' owns 'A' twice from 2026-02-01 to 2026-02-28",
        ),
        (
            [row("Ann", "2026-01-01", None, 0.7), row("Bo", "2026-02-01", None, 0.4)],
            {**SHARED, "shares": "at_most_one"},
            "D106",
            "table `owners`, rows 0, 1: the shares of 'A' sum to 1.1 from 2026-02-01 on "
            "(0.7 to Ann, 0.4 to Bo)\n  = they sum to 1 at most",
        ),
        (
            [row(None, "2026-01-01")],
            {},
            "D105",
            "table `owners`, row 0: `rep` is missing\n  = fill it in; to end",
        ),
        (
            [row("Ann", None, None, 50.0)],
            SHARED,
            "D105",
            "`part` is 50.0, which is no share\n  = write 0 to 1",
        ),
        ([row("Ann", None, None, None)], SHARED, "D105", "`part` is None, which is no share"),
    ],
)
def test_mistakes_are_told_with_rows_days_and_what_to_write(
    rows: list[Row], options: Row, code: str, told: str
) -> None:
    with pytest.raises(FieldError) as caught:
        owned(*rows, **options)
    assert caught.value.code == code
    assert told in str(caught.value)


def test_owners_with_numbers_are_texts_with_a_role() -> None:
    rows = [{**row("", None), "rep": 17}]
    with pytest.raises(FieldError, match="give it a role") as caught:
        Ownership.of(None, rows, **FIELDS)
    assert caught.value.code == "D104"
    source = Source(name="owners", fields={**TABLE.fields, "rep": {"type": "text", "role": "payee"}})
    for data in (rows, pl.DataFrame(rows, schema_overrides={"since": pl.Date(), "until": pl.Date()})):
        assert Ownership.of(source, data, **FIELDS).payees_at("A", d("2026-01-01")) == (("17", 1.0),)


def test_tenths_sum_to_one() -> None:
    assert (
        len(
            owned(*(row(f"R{at}", None, None, 0.1) for at in range(10)), **SHARED).payees_at(
                "A", d("2026-01-01")
            )
        )
        == 10
    )


def test_a_record_that_nobody_owns_goes_where_the_fallback_says() -> None:
    order = {"customer": "A", "day": d("2025-01-01"), "rep": "Eve"}
    rows = [row("Ann", "2026-01-01")]
    for fallback, expected in [
        (Fallback(payee="House"), (("House", 1.0),)),
        (Fallback(field="rep"), (("Eve", 1.0),)),
        ("nobody", ()),
        ("error", ((None, 1.0),)),
    ]:
        found = owned(*rows, fallback=fallback)
        assert found.payees_of(order, "customer", "day") == expected
        assert found.payees_of({**order, "day": d("2026-01-01")}, "customer", "day") == ANN


@pytest.mark.parametrize(
    ("key", "day", "told"),
    [
        (
            "A",
            d("2025-01-01"),
            "record 'O7': nobody owns customer 'A' on 2025-01-01\n  = add a row to `owners`, or",
        ),
        (None, d("2025-01-01"), "record 'O7': it has no customer, so that nobody owns it"),
        ("A", None, "record 'O7': it has no date, so that nobody owns it"),
    ],
)
def test_a_record_that_counts_and_that_nobody_owns_is_named(key: Any, day: Any, told: str) -> None:
    with pytest.raises(RecordError) as caught:
        owned(row("Ann", "2026-01-01")).refuse(key, day, "O7")
    assert caught.value.code == "D107"
    assert told in str(caught.value)


FIRST = dt.date(2026, 1, 1)
DAYS = [FIRST + dt.timedelta(days) for days in range(-2, 16)]
REPS = ["Ann", "Bo", "Cy"]


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Rows of one or two customers without overlap, in any order."""
    rows: list[Row] = []
    for customer in draw(st.lists(st.sampled_from(["A", "B"]), unique=True)):
        day = draw(st.integers(0, 3))
        for rep in draw(st.lists(st.sampled_from(REPS), max_size=4)):
            length = draw(st.integers(1, 5))
            last = FIRST + dt.timedelta(day + length - 1)
            rows.append({"customer": customer, "rep": rep, "since": FIRST + dt.timedelta(day), "until": last})
            day += length + draw(st.sampled_from([0, 0, 0, 1]))
    return draw(st.permutations(rows))


transitions = st.none() | st.builds(
    Transition, days=st.integers(1, 6), old=st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0])
)


def owner_of(rows: list[Row], customer: str | None, day: dt.date | None) -> str | None:
    if day is None:
        return None
    found = [
        each["rep"] for each in rows if each["customer"] == customer and each["since"] <= day <= each["until"]
    ]
    assert len(found) <= 1
    return found[0] if found else None


def by_hand(
    rows: list[Row], customer: str | None, day: dt.date | None, transition: Transition | None
) -> Owners:
    """Day by day: how long the owner has been the owner, and who was the one before without a gap."""
    owner = owner_of(rows, customer, day)
    if owner is None:
        return ()
    first = day
    while owner_of(rows, customer, first - dt.timedelta(1)) == owner:
        first -= dt.timedelta(1)
    old = owner_of(rows, customer, first - dt.timedelta(1))
    if transition is None or old is None or (day - first).days + 1 > transition.days:
        return ((owner, 1.0),)
    both = [(old, transition.old), (owner, round(1.0 - transition.old, 12))]
    return tuple(each for each in both if each[1] > 0)


@given(histories(), transitions)
def test_each_day_has_the_owners_that_a_count_of_days_gives(
    rows: list[Row], transition: Transition | None
) -> None:
    found = Ownership.of(TABLE, [{**each, "part": None} for each in rows], **FIELDS, transition=transition)
    for customer in ("A", "B"):
        for day in DAYS:
            payees = found.payees_at(customer, day)
            assert payees == by_hand(rows, customer, day, transition)
            assert len(payees) <= found.width
            assert (math.fsum(share for _, share in payees) == 1.0) == (
                owner_of(rows, customer, day) is not None
            )


@given(st.data())
def test_shares_sum_to_one_on_every_day_of_every_transition(data: st.DataObject) -> None:
    rows, day = [], FIRST
    for reps in data.draw(st.lists(st.lists(st.sampled_from(REPS), unique=True, min_size=1), max_size=4)):
        last = day + dt.timedelta(data.draw(st.integers(0, 4)))
        weights = [data.draw(st.integers(1, 9)) for _ in reps]
        for rep, weight in zip(reps, weights, strict=True):
            rows.append(
                {"customer": "A", "rep": rep, "since": day, "until": last, "part": weight / sum(weights)}
            )
        day = last + dt.timedelta(1)
    found = Ownership.of(TABLE, rows, **SHARED, transition=data.draw(transitions))
    for each in DAYS:
        payees = found.payees_at("A", each)
        assert len({owner for owner, _ in payees}) == len(payees)
        assert math.isclose(math.fsum(share for _, share in payees), float(FIRST <= each < day), abs_tol=1e-9)


@settings(max_examples=25)
@given(
    histories(),
    transitions,
    st.sampled_from(["error", "nobody", Fallback(payee="House"), Fallback(field="rep")]),
    st.lists(
        st.fixed_dictionaries(
            {
                "customer": st.sampled_from(["A", "B", "C", None]),
                "day": st.sampled_from([*DAYS, None]),
                "rep": st.sampled_from(["Eve", None]),
            }
        ),
        max_size=8,
    ),
)
def test_every_engine_gives_the_payees_of_single_records(
    from_polars: Mapping[str, Callable[[pl.DataFrame], Any]],
    rows: list[Row],
    transition: Transition | None,
    fallback: Any,
    orders: list[Row],
) -> None:
    table = pl.DataFrame(
        rows, {"customer": pl.String(), "rep": pl.String(), "since": pl.Date(), "until": pl.Date()}
    )
    for order in orders:
        order["at"] = order["day"] and dt.datetime.combine(order["day"], dt.time(23, 59))
    schema = {"customer": pl.String(), "day": pl.Date(), "rep": pl.String(), "at": pl.Datetime("us")}
    source = Source(name="owners", fields={name: TABLE.fields[name] for name in table.columns})
    for name, engine in from_polars.items():
        found = Ownership.of(source, engine(table), **FIELDS, transition=transition, fallback=fallback)
        expected = [found.payees_of(order, "customer", "day") for order in orders]
        assert [found.payees_of(order, "customer", "at") for order in orders] == expected
        frame = bind_frame(ORDERS, engine(pl.DataFrame(orders, schema)), ORDERS.fields).frame
        for day in ("day", "at"):
            wide, names = found.beside(frame, "customer", day, kind=ORDERS.schema[day].kind)
            columns = columns_of(wide)
            payees = [
                tuple(
                    (columns[owner][at], columns[share][at])
                    for owner, share in names
                    if columns[share][at] is not None
                )
                for at in range(len(orders))
            ]
            assert payees == expected, (name, day)


DECLARED = {
    "table": "owners",
    "key": "customer",
    "owner": "rep",
    "from": "since",
    "to": "until",
    "share": "part",
    "transition": {"days": 90, "old": 0.5},
    "fallback": {"payee": "House"},
}


def test_the_rule_of_a_rulebook_gives_the_same_owners() -> None:
    rule = OwnershipRule.model_validate(DECLARED)
    assert not [*rule.problems(TABLE)]
    rows = [row("Ann", None, "2026-06-30", 1.0), row("Bo", "2026-07-01", None, 1.0)]
    found = Ownership.declared(rule, TABLE, rows)
    assert on(found, "2026-06-30", "2026-09-28", "2026-09-29") == [ANN, HALVES, BO]
    assert found.fallback == Fallback(payee="House")
    assert OwnershipRule.model_validate_json(rule.model_dump_json(by_alias=True)) == rule
    schema = TypeAdapter(OwnershipRule).json_schema()
    assert {"from", "to", "transition", "fallback"} <= {*schema["properties"]}


def test_a_rule_that_does_not_fit_its_table_is_told_with_the_way_to_it() -> None:
    rule = OwnershipRule.model_validate({**DECLARED, "key": "custmer", "from": "rep", "share": "rep"})
    told = {path: error.code for path, error in rule.problems(TABLE)}
    assert told == {("key",): "F102", ("from",): "D104", ("share",): "D104"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"transition": {"old": 0.5}}, "say for how long"),
        ({"transition": {"days": 90, "months": 3}}, "say for how long"),
        ({"transition": {"days": 0}}, "greater than or equal to 1"),
        ({"transition": {"days": 90, "old": 50}}, "less than or equal to 1"),
        ({"fallback": {}}, "name one of `payee`"),
        ({"fallback": {"payee": "House", "field": "rep"}}, "name one of `payee`"),
        ({"fallback": "house"}, "'error' or 'nobody'"),
        ({"until": "until"}, "Extra inputs are not permitted"),
    ],
)
def test_a_rule_that_says_nothing_or_too_much_is_refused(change: Row, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        OwnershipRule.model_validate({**DECLARED, **change})
