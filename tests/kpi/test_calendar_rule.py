"""Calendars as they are declared."""

import datetime as dt
import json

import pydantic
import pytest

from crmrules import CrmRulesError, RulebookError, document
from crmrules.errors import CalendarCoverageError
from crmrules.kpi.calendar import China, Weekdays, guessed
from crmrules.kpi.calendar_rule import CalendarRule


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def declared(text: str) -> CalendarRule:
    return CalendarRule.model_validate(document.parse(text).data)


def test_without_anything_it_is_the_weekdays():
    assert CalendarRule().calendar() == Weekdays()


@pytest.mark.parametrize("library", ["chinesecalendar", "holidays"])
def test_china_comes_from_either_library(library):
    found = declared(f"country: CN\nlibrary: {library}\nholidays: [2026-12-24]").calendar()
    assert found.version.startswith(library)
    assert found.is_working_day(day("2026-09-20"))
    assert not found.is_working_day(day("2026-12-24"))


def test_china_is_that_of_chinesecalendar_if_not_said():
    assert isinstance(declared("country: CN").calendar(), China)


def test_a_country_that_knows_no_more_is_an_error_or_weekdays_as_declared():
    later = dt.date(China().coverage[1].year + 1, 2, 11)
    with pytest.raises(CalendarCoverageError):
        declared("country: CN").calendar().is_working_day(later)
    guessing = declared("{country: CN, beyond: weekdays}").calendar()
    assert guessing.is_working_day(later) is (later.weekday() < 5)
    assert "knows nothing after" in guessed(guessing, later, later)


def test_the_weekend_beyond_is_that_of_the_country():
    friday, sunday = day("2101-01-07"), day("2101-01-09")
    found = declared("{country: SA, beyond: weekdays}").calendar()
    assert [found.is_working_day(each) for each in (friday, sunday)] == [False, True]


@pytest.mark.parametrize("library", ["chinesecalendar", "holidays"])
def test_a_year_that_the_library_does_not_know_yet_may_be_listed(library):
    last = China().coverage[1].year + 1
    rule = f"""
    country: CN
    library: {library}
    until: {last}-12-31
    holidays: [{last}-02-11, {last}-10-01]
    workdays: [{last}-02-13]
    """
    found = declared(rule).calendar()
    assert found.coverage[1] == dt.date(last, 12, 31)
    assert not found.is_working_day(dt.date(last, 2, 11))
    assert found.is_working_day(dt.date(last, 2, 13))
    assert guessed(found, dt.date(last, 1, 1), dt.date(last, 12, 31)) == ""
    with pytest.raises(CalendarCoverageError):
        found.is_working_day(dt.date(last + 1, 1, 4))


def test_a_year_without_a_listed_holiday_is_not_complete():
    last = China().coverage[1].year + 1
    with pytest.raises(CrmRulesError, match="no holiday is listed") as caught:
        declared(f"{{country: CN, until: {last}-12-31}}").calendar()
    assert caught.value.code == "W103"


def test_lists_may_end_before_the_library_does():
    found = declared("{until: 2026-12-31, holidays: [2026-12-24]}").calendar()
    with pytest.raises(CalendarCoverageError):
        found.is_working_day(day("2027-01-04"))


@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_a_file_holds_more_days(tmp_path, ending):
    days = {"holidays": ["2026-12-24"], "workdays": ["2026-12-20"], "until": "2026-12-31"}
    yaml = "holidays: [2026-12-24]\nworkdays: [2026-12-20]\nuntil: 2026-12-31\n"
    (tmp_path / f"shut.{ending}").write_text(json.dumps(days) if ending == "json" else yaml)
    found = declared(f"country: CN\nfile: shut.{ending}\nholidays: [2026-12-23]").calendar(tmp_path)
    works = [found.is_working_day(day(f"2026-12-{each}")) for each in (20, 21, 23, 24)]
    assert works == [True, True, False, False]
    assert found.coverage[1] == day("2026-12-31")


def test_what_is_wrong_in_a_file_is_told_with_its_place(tmp_path):
    (tmp_path / "days.yaml").write_text("holidays:\n  - 2026-12-24\n  - 20261225\nworkday: [2026-12-20]\n")
    with pytest.raises(RulebookError) as caught:
        declared("file: days.yaml").calendar(tmp_path)
    found = [(each.code, each.place.line) for each in caught.value.problems if each.place]
    assert sorted(found) == [("W103", 3), ("W103", 4)]
    (tmp_path / "days.yaml").write_text("holidays: [2026-02-30]")
    with pytest.raises(RulebookError, match="no date"):
        declared("file: days.yaml").calendar(tmp_path)
    with pytest.raises(RulebookError, match="cannot read"):
        declared("file: nowhere.yaml").calendar(tmp_path)


def test_a_day_that_a_file_makes_both_is_refused(tmp_path):
    (tmp_path / "days.yaml").write_text("holidays: [2026-12-24]")
    with pytest.raises(CrmRulesError, match="2026-12-24") as caught:
        declared("file: days.yaml\nworkdays: [2026-12-24]").calendar(tmp_path)
    assert caught.value.code == "W103"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{subdivision: BY}", "goes with a country"),
        ("{library: holidays}", "goes with a country"),
        ("{country: DE, library: chinesecalendar}", "China alone"),
        ("{country: CN, subdivision: BJ}", "no subdivisions"),
        ("{country: DE, weekend: [sunday]}", "weekend of its own"),
        ("{weekend: [samedi]}", "sunday"),
        ("{weekend: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]}", "all seven"),
        ("{holidays: [2026-12-24], workdays: [2026-12-24]}", "2026-12-24 is listed"),
        ("{holidays: [20261224]}", "2026"),
        ("{beyond: guess}", "weekdays"),
        ("{coutry: CN}", "coutry"),
    ],
)
def test_what_does_not_go_together_is_refused(text, said):
    with pytest.raises(pydantic.ValidationError, match=said):
        declared(text)


def test_an_unknown_country_is_told_when_the_calendar_is_made():
    with pytest.raises(CrmRulesError, match="no holidays are known"):
        declared("country: XX").calendar()


def test_weekdays_may_follow_where_the_lists_are_complete():
    last = China().coverage[1].year + 1
    rule = f"{{country: CN, beyond: weekdays, until: {last}-12-31, holidays: [{last}-02-11]}}"
    found = declared(rule).calendar()
    listed, later = dt.date(last, 12, 31), dt.date(last + 1, 1, 1)
    assert guessed(found, dt.date(last, 1, 1), listed) == ""
    assert f"nothing after {listed}" in guessed(found, listed, later)
    assert found.is_working_day(later) is (later.weekday() < 5)
    assert not found.is_working_day(dt.date(last, 2, 11))


def test_a_country_whose_library_ends_goes_on_with_lists():
    # The holidays of Sri Lanka end in the library with a year.
    end = declared("country: LK").calendar().coverage[1]
    following = end.year + 1
    rule = f"{{country: LK, until: {following}-12-31, holidays: [{following}-05-01]}}"
    found = declared(rule).calendar()
    assert found.coverage[1] == dt.date(following, 12, 31)
    assert not found.is_working_day(dt.date(following, 5, 1))
