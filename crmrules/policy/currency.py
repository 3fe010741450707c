"""Amounts in the house's currency, by the rate in force on a record's day."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal, final

import pydantic
from pydantic import BaseModel, ConfigDict

from crmrules import frames, money
from crmrules.errors import CrmRulesError, FieldError, RecordError, did_you_mean, shown
from crmrules.fields import BadRow, Frozen, Source
from crmrules.policy.derived import Rounding
from crmrules.policy.timeline import Span, Timeline, spans_of
from crmrules.types import NUMBER, Scalar, Type

_TIMES, _OVER, _HIGH, _PRODUCT, _LOW, _BAD = "@times", "@over", "@high", "@product", "@low", "@bad"
MOST = 2**51
"""A rate is a fraction of whole numbers whose product stays below this, so that floats compute it exactly."""


@final
class Rates(BaseModel):
    """Where the rates are: a table with a row for each currency and day from which a rate is in force.

    table: its source. currency, from, rate: its fields. A rate says how much of the house's currency one
    unit of the other is worth, and holds until the currency's next row; nothing is interpolated.
    """

    model_config = ConfigDict(**Frozen, validate_by_name=True, validate_by_alias=True)

    table: str = "rates"
    currency: str = "currency"
    start: Annotated[str, pydantic.Field(alias="from")] = "from"
    rate: str = "rate"


@final
class Conversion(BaseModel):
    """An amount of each record in the house's currency, as a further field of money.

    >>> house = Conversion(amount="amount", currency="currency", to="CNY", date="day")
    >>> source = Source(fields={"amount": "money(2)", "currency": "text", "day": "date"})
    >>> rates = [{"currency": "USD", "from": "2026-01-01", "rate": Decimal("7.1234")}]
    >>> row = {"amount": 100_00, "currency": "USD", "day": dt.date(2026, 3, 1)}
    >>> converter = house.on(source, rates)
    >>> converter.of_records([row], "amount_cny")
    ()
    >>> row["amount_cny"]
    71234

    amount: a field of money. currency: the field that tells its currency; the house's own, `to`, has rate 1
    and needs no row. date: the field whose day decides on the rate, the one with the role `date` if it is
    not said. digits: decimals of the result. rounding: each record is rounded by itself, a half away from
    zero or, under `half_even`, to the even unit. The rate is taken as the decimal number that is written,
    and the product is exact before it is rounded. missing: a record with an amount but no rate is an
    `error`, or set aside under `quarantine`.
    """

    model_config = Frozen

    amount: str
    currency: str
    to: Annotated[str, pydantic.Field(min_length=1)]
    rates: Rates = Rates()
    date: str | None = None
    digits: Annotated[int, pydantic.Field(ge=0, le=money.MOST_DIGITS)] = 2
    rounding: Rounding = "half_away"
    missing: Literal["error", "quarantine"] = "error"

    @property
    def type(self) -> Type:
        """What the field holds."""
        return Type("money", self.digits)

    def fields(self, source: Source) -> tuple[str, str, str]:
        """The fields that it reads: amount, currency, day. Raises FieldError (F102, F113) or CrmRulesError
        (M101) for what does not fit."""
        date = self.date or source.role("date")
        if date is None:
            raise CrmRulesError(
                "M101",
                f"source `{source.name}` has no field with the role `date`, whose day decides on the rate",
                hint="write `role: date` at the field that tells it, or `date:` here",
            )
        for name, *kinds in (
            (self.amount, "money"),
            (self.currency, "text"),
            (date, "date", "datetime"),
        ):
            if name not in source.fields:
                raise source.unknown_field(name)
            if (found := source.schema[name]).kind not in kinds:
                raise FieldError(
                    "F113",
                    f"source `{source.name}`, field `{name}` is {found}, expected {' or '.join(kinds)}",
                    source=source.name,
                    field=name,
                    hint="declare it as " + ("money(2)" if kinds == ["money"] else kinds[0]),
                )
        return self.amount, self.currency, date

    def on(self, source: Source, data: object, table: Source | None = None) -> Converter:
        """The conversion for a source, with the rates of a table: a frame of any engine, or records.

        table: the source that declares the rates' fields; without one they are a text, a date and a number.
        Raises FieldError: X102 a rate that is none or has too many digits, X103 a rate of the house's own
        currency that is not 1, D103 two rates from the same day, and what binding raises.
        """
        fields = self.fields(source)
        rates = self.rates
        if table is None:
            plain = {rates.currency: "text", rates.start: "date", rates.rate: "number"}
            table = Source.model_validate({"name": rates.table, "fields": plain})
        table, spans, _ = spans_of(
            table, data, key=rates.currency, values=[rates.rate], start=rates.start, end=None
        )
        factor = _Factor(self, table, source.schema[self.amount].digits)
        everywhere = Span.between(self.to, None, None, factor.of_rate(Decimal(1), None))
        factors = [
            Span(span.key, span.start, span.end, factor.of(span), span.row)
            for span in spans
            if not factor.is_own(span)
        ]
        timeline = Timeline.of_spans(
            [everywhere, *factors], [NUMBER, NUMBER], table=table.name, overlap="latest_start"
        )
        known = sorted({str(span.key) for span in factors})
        return Converter(self, source, fields, timeline, known)


@final
@dataclass(frozen=True, slots=True)
class _Factor:
    """A rate as a fraction of whole numbers, from units of the amount to units of the result."""

    conversion: Conversion
    table: Source
    digits: int

    def is_own(self, span: Span) -> bool:
        if span.key != self.conversion.to:
            return False
        if self.decimal(span) != 1:
            raise FieldError(
                "X103",
                f"table `{self.table.name}`, row {shown(span.row)}: {self.conversion.to} is the house's own "
                f"currency, and its rate is {self.decimal(span)}",
                source=self.table.name,
                row=span.row,
                hint="its rate is 1: leave the row out",
            )
        return True

    def decimal(self, span: Span) -> Decimal:
        [value] = span.value
        declared = self.table.schema[self.conversion.rates.rate]
        found = Decimal(0)
        if isinstance(value, float):
            found = Decimal(repr(value))
        elif isinstance(value, int) and declared.kind == "money":
            found = money.amount(value, declared.digits)
        if not found > 0:
            raise FieldError(
                "X102",
                f"table `{self.table.name}`, row {shown(span.row)}: {shown(value)} is no rate of {span.key}",
                source=self.table.name,
                field=self.conversion.rates.rate,
                row=span.row,
                value=value,
                hint="write how much of the house's currency one unit is worth, as a number above 0",
            )
        return found

    def of(self, span: Span) -> tuple[Scalar, ...]:
        return self.of_rate(self.decimal(span), span)

    def of_rate(self, rate: Decimal, span: Span | None) -> tuple[Scalar, ...]:
        over, times = 1, 1
        numerator, denominator = rate.as_integer_ratio()
        shift = self.conversion.digits - self.digits
        over, times = (1, 10**shift) if shift >= 0 else (10**-shift, 1)
        common = math.gcd(numerator * times, denominator * over)
        times, over = numerator * times // common, denominator * over // common
        if times * over >= MOST and span is not None:
            raise FieldError(
                "X102",
                f"table `{self.table.name}`, row {shown(span.row)}: the rate {rate} of {span.key} has more "
                "digits than can be computed exactly",
                source=self.table.name,
                field=self.conversion.rates.rate,
                row=span.row,
                hint="round it to 7 digits",
            )
        return float(times), float(over)


@final
class Converter:
    """A conversion with its rates; see `Conversion.on`."""

    def __init__(
        self,
        conversion: Conversion,
        source: Source,
        fields: tuple[str, str, str],
        timeline: Timeline,
        known: Sequence[str],
    ) -> None:
        self.conversion = conversion
        self.source = source
        self.amount, self.currency, self.date = fields
        self.timeline = timeline
        self.known = known

    def of_frame(self, frame: frames.Frame, name: str) -> tuple[frames.Frame, tuple[BadRow, ...]]:
        """The bound frame with the converted amount, and the rows that were set aside.

        Raises RecordError: X101 no rate for a record, S105 a result that is too large.
        """
        import narwhals as nw

        kind = self.source.schema[self.date].kind
        extra = [_TIMES, _OVER, _HIGH, _PRODUCT, _LOW, _BAD]
        if frames.ROW not in frame.collect_schema().names():
            frame = frames.numbered(frame)
            extra.append(frames.ROW)
        frame = self.timeline.beside(frame, self.currency, self.date, [_TIMES, _OVER], kind=kind)
        frame = _converted(frame, self.amount, name, self.conversion.rounding)
        lacking = ~nw.col(self.amount).is_null() & nw.col(_TIMES).is_null()
        large = nw.col(name).abs() > float(money.LARGEST)
        flag = nw.when(lacking).then(1.0).otherwise(nw.when(large).then(2.0).otherwise(0.0))
        frame = frame.with_columns(flag.alias(_BAD))
        bad = frames.collected(frame.filter(nw.col(_BAD) > 0.0))
        rows = frames.rows_of(bad.head(1) if self.conversion.missing == "error" else bad)
        aside = []
        schema = self.source.schema
        for row in rows:
            position = row[frames.ROW]
            assert isinstance(position, int | float)
            record = {
                each: frames.delivered(value, schema[each])  # type: ignore[arg-type]
                for each, value in row.items()
                if each in schema
            }
            aside.append(self._refused(record, int(position), too_large=row[_BAD] == 2.0))
        if aside:
            frame = frame.filter(nw.col(_BAD) == 0.0)
        return frame.drop(*extra), tuple(aside)

    def of_records(self, rows: list[dict[str, Scalar]], name: str) -> tuple[BadRow, ...]:
        """The same for bound records: each gets the amount. Those that are returned get none, and are to be
        left out."""
        aside = []
        for position, row in enumerate(rows):
            units, currency, day = row[self.amount], row[self.currency], row[self.date]
            row[name] = None
            if units is None:
                continue
            assert isinstance(units, int)
            assert currency is None or isinstance(currency, str)
            assert day is None or isinstance(day, dt.date)
            found = self.timeline.at(currency, day)
            result = None if found is None else _units(units, found, self.conversion.rounding)
            if result is None or abs(result) > money.LARGEST:
                record = {each: row[each] for each in row if each in self.source.schema}
                aside.append(self._refused(record, position, too_large=result is not None))
                continue
            row[name] = result
        return tuple(aside)

    def _refused(self, row: Mapping[str, Scalar], position: int, *, too_large: bool) -> BadRow:
        """The row to set aside. Raises RecordError where that is not asked for."""
        id_field = self.source.role("id")
        where = row.get(id_field, position) if id_field else position
        place = f"source `{self.source.name}`, record {shown(where)}"
        if too_large:
            raise RecordError(
                "S105",
                f"{place}: the amount in {self.conversion.to} is too large to be carried exactly",
                hint="convert it to fewer digits",
            )
        currency, day = row[self.currency], row[self.date]
        table = self.conversion.rates.table
        if currency is None or day is None:
            field = self.currency if currency is None else self.date
            reason, hint = f"`{field}` is missing, and without it there is no rate", "fill it in"
        else:
            field = self.currency
            assert isinstance(day, dt.date)
            plain = day.date() if isinstance(day, dt.datetime) else day
            reason = f"there is no rate from {currency} to {self.conversion.to} on {plain}"
            hint = f"table `{table}` has none that early: add one"
            if currency not in self.known:
                meant = did_you_mean(str(currency), self.known)
                hint = f"add {currency} to table `{table}`" + (f"; {meant}" if meant else "")
        if self.conversion.missing == "error":
            raise RecordError("X101", f"{place}: {reason}", hint=f"{hint}, or write missing: quarantine")
        return BadRow(
            source=self.source.name,
            position=position,
            row=where,
            field=field,
            value=row[field],
            reason=reason,
            record=dict(row),
        )


def _units(units: int, factor: tuple[Scalar, ...], rounding: Rounding) -> int:
    times, over = (int(each) for each in factor)  # type: ignore[arg-type]
    whole, rest = divmod(abs(units) * times, over)
    up = 2 * rest > over or (2 * rest == over and (rounding == "half_away" or whole % 2 == 1))
    whole += up
    return whole if units >= 0 else -whole


def _converted(frame: frames.Frame, amount: str, name: str, rounding: Rounding) -> frames.Frame:
    """The frame with amount × times / over, and what that takes.

    Each step is exact in floats, since times × over is below 2^51 and so is what counts of the result; half
    a unit keeps the quotients clear of whole numbers before they are rounded down.
    """
    import narwhals as nw

    units, times, over = nw.col(amount), nw.col(_TIMES), nw.col(_OVER)
    high, product, low = nw.col(_HIGH), nw.col(_PRODUCT), nw.col(_LOW)
    frame = frame.with_columns(((units.abs() + 0.5) / over).floor().alias(_HIGH))
    frame = frame.with_columns(((units.abs() - high * over) * times).alias(_PRODUCT))
    frame = frame.with_columns(((product + 0.5) / over).floor().alias(_LOW))
    whole, rest = high * times + low, (product - low * over) * 2.0
    up = rest >= over
    if rounding == "half_even":
        odd = whole - (whole * 0.5).floor() * 2.0
        up = (rest > over) | ((rest >= over) & (odd > 0.0))
    rounded = nw.when(up).then(whole + 1.0).otherwise(whole)
    return frame.with_columns(nw.when(units < 0.0).then(0.0 - rounded).otherwise(rounded).alias(name))


__all__ = ["Conversion", "Converter", "Rates"]
