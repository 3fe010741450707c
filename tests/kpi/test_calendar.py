"""Which days are working days, and that nothing is guessed beyond what is known."""

import datetime as dt
import sys

import pytest

from crmrules import CrmRulesError
from crmrules.errors import CalendarCoverageError, MissingExtraError
from crmrules.kpi.calendar import (
    ALWAYS,
    Calendar,
    China,
    Country,
    Extended,
    Overridden,
    Weekdays,
    guessed,
    known,
)
from crmrules.kpi.workdays import working_days


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


CHINAS = [China(), Country("CN")]
both_of_china = pytest.mark.parametrize("china", CHINAS, ids=["chinesecalendar", "holidays"])


@both_of_china
@pytest.mark.parametrize(
    ("text", "works"),
    [
        ("2026-09-20", True),  # a Sunday, made up for
        ("2026-02-14", True),  # a Saturday, made up for
        ("2026-02-20", False),  # a Friday of the Spring Festival
        ("2026-06-19", False),  # Dragon Boat, a Friday
        ("2026-06-20", False),
        ("2026-12-20", False),
        ("2025-01-26", True),
        ("2025-09-28", True),
    ],
)
def test_china_works_on_make_up_days_and_rests_on_days_in_lieu(china, text, works):
    assert china.is_working_day(day(text)) is works


@both_of_china
@pytest.mark.parametrize(("year", "days"), [(2024, 251), (2025, 248), (2026, 248)])
def test_the_working_days_of_a_year_in_china(china, year, days):
    # trigger_timelines.md, S21
    assert working_days(china, dt.date(year, 1, 1), dt.date(year, 12, 31)) == days


def test_the_two_libraries_agree_on_china():
    first = day("2006-01-01")  # of the last day of 2005 they tell different things
    days = [first + dt.timedelta(days=n) for n in range((day("2026-12-31") - first).days + 1)]
    one, other = CHINAS
    assert [each for each in days if one.is_working_day(each) != other.is_working_day(each)] == []


@both_of_china
def test_a_year_that_china_has_not_announced_is_an_error(china):
    # trigger_timelines.md, S21: `holidays` by itself takes 2027-02-11 and 12 as working days.
    _, last = china.coverage
    assert last.month == 12
    assert last.year >= 2026
    for beyond in (dt.date(last.year + 1, 1, 1), dt.date(last.year + 1, 2, 11), day("1949-12-31")):
        with pytest.raises(CalendarCoverageError, match="lies beyond") as caught:
            china.is_working_day(beyond)
        assert (caught.value.code, caught.value.day) == ("W101", beyond)
        assert caught.value.coverage == china.coverage
        assert "beyond: weekdays" in caught.value.hint


def test_a_make_up_day_is_one_before_its_year_was_asked_for():
    assert Country("CN").is_working_day(day("2026-02-14"))
    assert Country("CN").is_working_day(day("2006-12-31"))


@pytest.mark.parametrize(
    ("country", "subdivision", "text", "works"),
    [
        ("DE", None, "2026-10-03", False),
        ("DE", "BY", "2026-01-06", False),
        ("DE", "BE", "2026-01-06", True),
        ("US", None, "2026-11-26", False),
        ("US", None, "2027-12-31", False),  # New Year 2028 is a Saturday, observed in the year before
        ("SA", None, "2026-11-06", False),  # Friday
        ("SA", None, "2026-11-08", True),  # Sunday
        ("AE", None, "2021-11-19", False),  # a Friday, which was weekend until the end of 2021
        ("AE", None, "2022-11-18", True),
    ],
)
def test_a_country_has_holidays_and_a_weekend(country, subdivision, text, works):
    assert Country(country, subdivision).is_working_day(day(text)) is works


def test_the_weekend_of_a_country_is_its_own():
    assert Country("SA").weekend == ("friday", "saturday")
    assert Country("DE").weekend == ("saturday", "sunday")


@pytest.mark.parametrize("country", ["IN", "MY", "ID", "TR", "AE"])
def test_estimated_holidays_are_not_known(country):
    import holidays

    _, last = Country(country).coverage
    later = holidays.country_holidays(country, years=last.year + 1, language="en_US")
    assert any("(estimated)" in name for name in later.values())
    sure = holidays.country_holidays(country, years=last.year, language="en_US")
    assert not any("(estimated)" in name for name in sure.values())


def test_a_country_whose_days_are_all_estimates_has_to_be_vouched_for():
    with pytest.raises(CrmRulesError, match="only estimates") as caught:
        Country("MA").is_working_day(day("2026-11-03"))
    assert caught.value.code == "W102"
    assert Country("MA", until=day("2026-12-31")).is_working_day(day("2026-11-03"))


def test_a_day_to_vouch_for_is_where_a_country_ends():
    short = Country("DE", until=day("2026-12-31"))
    assert short.coverage[1] == day("2026-12-31")
    with pytest.raises(CalendarCoverageError):
        short.is_working_day(day("2027-01-01"))


@pytest.mark.parametrize(
    ("country", "subdivision", "hint"),
    [("DR", None, "ISO 3166"), ("DE", "BX", "`BY`"), ("VA", "X", "leave it out")],
)
def test_an_unknown_country_or_part_of_one_is_refused(country, subdivision, hint):
    with pytest.raises(CrmRulesError) as caught:
        Country(country, subdivision)
    assert caught.value.code == "W102"
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("module", "extra", "make"),
    [("chinese_calendar", "china", China), ("holidays", "holidays", lambda: Country("DE"))],
)
def test_a_missing_library_names_its_extra(monkeypatch, module, extra, make):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"crmrules\[{extra}\]"):
        make()


def test_the_weekend_of_weekdays_is_declared():
    assert [Weekdays().is_working_day(day(f"2026-11-0{n}")) for n in range(1, 8)] == [
        False, True, True, True, True, True, False,
    ]  # fmt: skip
    assert Weekdays(()).is_working_day(day("2026-11-01"))
    assert Weekdays(("friday",)).version != Weekdays().version
    with pytest.raises(CrmRulesError, match="no weekday"):
        Weekdays(("samedi",))
    with pytest.raises(CrmRulesError, match="all seven"):
        Weekdays(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"))


def test_days_of_ones_own_win():
    own = Overridden(China(), frozenset([day("2026-12-24")]), frozenset([day("2026-12-20")]))
    assert not own.is_working_day(day("2026-12-24"))
    assert own.is_working_day(day("2026-12-20"))
    assert own.is_working_day(day("2026-09-20"))
    assert own.name == "CN"
    assert own.version.startswith(China().version)
    assert own.version != Overridden(China(), frozenset([day("2026-12-24")])).version
    assert own.coverage == China().coverage
    with pytest.raises(CrmRulesError, match="2026-12-24") as caught:
        Overridden(China(), frozenset([day("2026-12-24")]), frozenset([day("2026-12-24")]))
    assert caught.value.code == "W103"


def test_weekdays_beyond_a_calendar_are_said():
    first, last = China().coverage
    later = dt.date(last.year + 1, 2, 11)
    wide = Extended(China())
    assert wide.coverage == ALWAYS
    assert known(wide) == (first, last)
    assert wide.is_working_day(later) is (later.weekday() < 5)
    assert wide.is_working_day(day("2026-09-20"))
    assert guessed(wide, first, last) == ""
    assert guessed(wide, last, later) == (
        f"calendar CN knows nothing after {last}: all weekdays there are taken as working days"
    )
    assert "before" in guessed(wide, day("1999-01-01"), last)
    own = Overridden(wide, frozenset([later]))
    assert not own.is_working_day(later)
    assert guessed(own, last, later) == guessed(wide, last, later)


def test_a_calendar_extended_to_a_day_ends_there():
    last = China().coverage[1]
    until = dt.date(last.year + 1, 12, 31)
    own = Extended(China(), until=until)
    assert own.coverage == (China().coverage[0], until)
    assert guessed(own, last, until) == ""
    with pytest.raises(CalendarCoverageError):
        own.is_working_day(until + dt.timedelta(days=1))
    shorter = Extended(China(), until=day("2025-12-31"))
    with pytest.raises(CalendarCoverageError):
        shorter.is_working_day(day("2026-01-05"))


@pytest.mark.parametrize(
    "calendar", [Weekdays(), *CHINAS, Extended(China()), Overridden(China(), frozenset([day("2026-12-24")]))]
)
def test_a_timestamp_counts_as_its_day(calendar):
    for text in ("2026-09-20", "2026-02-20", "2026-12-24"):
        moment = dt.datetime.fromisoformat(f"{text}T18:00+08:00")
        assert calendar.is_working_day(moment) is calendar.is_working_day(day(text))


@pytest.mark.parametrize("calendar", [Weekdays(), *CHINAS, Extended(China()), Overridden(China())])
def test_each_is_a_calendar(calendar):
    assert isinstance(calendar, Calendar)
    assert calendar.version
