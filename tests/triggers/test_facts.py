"""The host's records as triggers read them: of one subject, up to a moment, in an order of their own."""

import datetime as dt
import pickle
from itertools import permutations

import pandas as pd
import pytest

from crmrules import CrmRulesError, Source
from crmrules.triggers import Facts, Record

VISITS = Source(
    name="visits",
    fields={
        "id": {"type": "text", "role": "id"},
        "rep": {"type": "text", "role": "subject"},
        "customer": "text",
        "day": {"type": "date", "role": "date"},
    },
)
ROWS = [
    {"id": "V1", "rep": "Ann", "customer": "ACME", "day": "2026-11-03"},
    {"id": "V2", "rep": "Ann", "customer": "Umbrella", "day": "2026-11-25"},
    {"id": "V3", "rep": "Bo", "customer": "ACME", "day": "2026-11-10"},
    {"id": "V4", "rep": "Ann", "customer": "ACME", "day": None},
]
NOW = dt.datetime(2026, 11, 20, 9)


def ids(records: tuple[Record, ...]) -> list[object]:
    return [each.id for each in records]


def of_ann(data: object) -> tuple[Record, ...]:
    return Facts({"visits": VISITS}, {"visits": data}).of("Ann", NOW).all("visits")


def test_the_records_of_a_subject_up_to_now() -> None:
    facts = Facts({"visits": VISITS}, {"visits": ROWS})
    assert ids(facts.of("Ann", NOW).all("visits")) == ["V1"]
    assert ids(facts.of("Ann", NOW).all("visits", coming=True)) == ["V4", "V1", "V2"]
    assert ids(facts.of("ACME", NOW).all("visits", by="customer")) == ["V1", "V3"]
    last = facts.of("ACME", NOW).last("visits", by="customer")
    assert last is not None
    assert (last.id, last.day, last["rep"]) == ("V3", dt.date(2026, 11, 10), "Bo")
    assert facts.of("Nobody", NOW).last("visits") is None


def test_a_day_has_come_when_it_begins_and_a_time_when_it_is_reached() -> None:
    timed = Source(
        name="calls",
        fields={"rep": {"type": "text", "role": "subject"}, "at": {"type": "datetime", "role": "date"}},
    )
    facts = Facts(
        {"calls": timed, "visits": VISITS},
        {"calls": [{"rep": "Ann", "at": "2026-11-20T09:00"}], "visits": ROWS},
    )
    assert facts.of("Ann", NOW).last("calls") is not None
    assert facts.of("Ann", dt.datetime(2026, 11, 20, 8, 59)).last("calls") is None
    assert ids(facts.of("Ann", dt.datetime(2026, 11, 25)).all("visits")) == ["V1", "V2"]


def test_the_order_of_rows_does_not_matter() -> None:
    same_day = [{"id": None, "rep": "Ann", "customer": each, "day": "2026-11-03"} for each in "CAB"]
    orders = {
        tuple(
            str(each["customer"])
            for each in Facts({"visits": VISITS}, {"visits": [*rows]}).of("Ann", NOW).all("visits")
        )
        for rows in permutations(same_day)
    }
    assert orders == {("A", "B", "C")}


def test_a_frame_is_read_as_records_are() -> None:
    of_frame = Facts({"visits": VISITS}, {"visits": pd.DataFrame(ROWS)}).of("Ann", NOW).all("visits")
    assert [*map(dict, of_frame)] == [
        *map(dict, Facts({"visits": VISITS}, {"visits": ROWS}).of("Ann", NOW).all("visits"))
    ]


def test_a_record_cannot_be_changed() -> None:
    record = Record("visits", "V1", None, {"rep": "Ann"})
    with pytest.raises(TypeError):
        record["rep"] = "Bo"  # type: ignore[index]
    with pytest.raises(TypeError):
        record.id = "V2"
    with pytest.raises(TypeError):
        del record.id
    assert record.with_fields(rep="Bo") == {"rep": "Bo"}
    assert dict(record) == {"rep": "Ann"}
    assert pickle.loads(pickle.dumps(record)) == record
    assert hash(record) == hash(pickle.loads(pickle.dumps(record)))


@pytest.mark.parametrize(
    ("source", "by", "code"),
    [
        ("visit", None, "T401"),
        ("calls", None, "T401"),
        ("visits", "custmer", "T402"),
        ("plain", None, "T402"),
    ],
)
def test_what_there_is_not(source: str, by: str | None, code: str) -> None:
    plain = Source(name="plain", fields={"name": "text"})
    sources = {"visits": VISITS, "calls": VISITS, "plain": plain}
    with pytest.raises(CrmRulesError) as caught:
        Facts(sources, {"visits": ROWS, "plain": []}).of("Ann", NOW).all(source, by=by)
    assert caught.value.code == code
    assert caught.value.hint
