"""Which records count and how much: an ordered list of rules, the first that matches decides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, final

from pydantic import BaseModel, BeforeValidator, Field

from crmrules import binding, frames
from crmrules.errors import ExpressionError, FieldError, shown
from crmrules.expr.check import Checked, Schema
from crmrules.expr.column import condition_column
from crmrules.expr.scalar import compile_first
from crmrules.expr.traced import Step, trace
from crmrules.fields import Frozen, Source, bind_record
from crmrules.policy.condition import Condition
from crmrules.policy.sequence import Sequence, number_frame, number_records, schema_with
from crmrules.types import Scalar

if TYPE_CHECKING:
    import narwhals as nw

Share = Annotated[float, Field(ge=0, le=1)]


@final
class Rule(BaseModel):
    """One rule: when it matches, how much of the record counts (0 to 1), and why, in words for people."""

    model_config = Frozen

    when: Condition
    credit: Share
    because: Annotated[str, Field(min_length=1)]
    name: str = ""


@final
class Default(BaseModel):
    """What holds for a record that no rule matches."""

    model_config = Frozen

    credit: Share
    because: Annotated[str, Field(min_length=1)] = "no rule says otherwise"


def _default(value: object) -> object:
    return {"credit": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


@final
@dataclass(frozen=True, slots=True)
class Consideration:
    """What a rule said of a record: `matched` is None where a missing value leaves it open."""

    rule: str
    matched: bool | None
    decided: bool
    because: str
    trace: Step


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says of one record: the credit, the rule that decided, and why."""

    credit: float
    rule: str
    because: str
    considered: tuple[Consideration, ...] = ()

    def __str__(self) -> str:
        lines = [f"credit {self.credit:g} by `{self.rule}`: {self.because}"]
        for each in self.considered:
            said = {True: "matches", False: "does not match", None: "is not known to match"}[each.matched]
            mark = "→" if each.decided else " "
            lines.append(f" {mark} {each.rule} {said}")
            lines += [f"     {line}" for line in str(each.trace).split("\n")]
        return "\n".join(lines)


@final
class Policy(BaseModel):
    """Which records of a source count, and how much.

    >>> from crmrules.policy import field
    >>> policy = Policy(
    ...     rules=[Rule(when=field("order_type") == "sample", credit=0, because="samples are free")],
    ...     default={"credit": 1, "because": "all other orders count"},
    ... )
    >>> print(policy.credit_of({"order_type": "sample"}))
    0.0

    rules: the first whose condition is true decides; a condition that is unknown, because a value is
    missing, does not match. default: for a record that no rule matches; it has to be said.
    source: the source that it is about, by name; needed where there are several. sequences: fields
    derived from the order of records, which rules and measures may read.
    """

    model_config = Frozen

    rules: tuple[Rule, ...] = ()
    default: Annotated[Default, BeforeValidator(_default, json_schema_input_type=Share | Default)]
    source: str | None = None
    sequences: dict[str, Sequence] = {}

    def rule_name(self, position: int) -> str:
        """The name of a rule: its own, or its number from 1; `default` behind the last."""
        if position == len(self.rules):
            return "default"
        return self.rules[position].name or f"rule {position + 1}"

    def on(self, source: Source) -> Crediting:
        """The policy checked against a source. Raises ExpressionError or FieldError for what does not fit."""
        for _, error in self.problems(source):
            raise error
        return Crediting(self, source)

    def problems(
        self, source: Source
    ) -> Iterator[tuple[tuple[str | int, ...], ExpressionError | FieldError]]:
        """Everything that does not fit the source, with the way to it."""
        schema = source.schema
        for name, sequence in self.sequences.items():
            if name in schema:
                yield (
                    ("sequences", name),
                    FieldError("S102", f"`{name}` is a field already", hint="choose another name"),
                )
            for part in ("per", "by"):
                for field in getattr(sequence, part):
                    if field not in schema:
                        yield ("sequences", name, part), _unknown(source, field)
            if sequence.where is not None:
                try:
                    sequence.where.check(schema)
                except ExpressionError as error:
                    yield ("sequences", name, "where"), error
        wider = schema_with(source, self.sequences)
        for position, rule in enumerate(self.rules):
            try:
                rule.when.check(wider)
            except ExpressionError as error:
                yield ("rules", position, "when"), error

    def credit(self, records: object, source: Source | None = None) -> object:
        """How much of each record counts.

        records: a frame of any engine, or a list of dicts. Returns the same rows in the same order with
        `credit` (0 to 1), `rule` (the name of the one that decided) and `because`; a frame of the same
        engine, or a list of dicts. Without a source, the fields are taken as the frame has them.

        Raises FieldError if a field is missing or holds another type.
        """
        from crmrules.policy.infer import infer

        if binding.is_records(records):
            records = binding.records_of(records)
        return self.on(source or infer(records, self._read())).credit(records)

    def credit_of(self, record: Mapping[str, object], source: Source | None = None) -> float:
        """How much of one record counts, 0 to 1. Raises FieldError as `credit` does."""
        return self.explain(record, source).credit if source is None else self.on(source).of(record).credit

    def explain(self, record: Mapping[str, object], source: Source | None = None) -> Verdict:
        """The credit of one record with the deciding rule, and what every other rule said and why."""
        from crmrules.policy.infer import infer

        return self.on(source or infer([record], self._read())).explain(record)

    def _read(self) -> list[str]:
        from crmrules.expr import tree

        conditions = [rule.when for rule in self.rules]
        conditions += [each.where for each in self.sequences.values() if each.where is not None]
        names = [name for condition in conditions for name in tree.names(condition.tree)]
        for sequence in self.sequences.values():
            names += [*sequence.per, *sequence.by]
        return [name for name in dict.fromkeys(names) if name not in self.sequences]


def _unknown(source: Source, field: str) -> FieldError:
    from crmrules.errors import did_you_mean

    return FieldError(
        "F102",
        f"source `{source.name}` has no field `{field}`",
        source=source.name,
        field=field,
        hint=did_you_mean(field, source.fields),
    )


@final
class Crediting:
    """A policy on a source, ready to run: on records one by one, on lists of them, on frames."""

    def __init__(self, policy: Policy, source: Source) -> None:
        self.policy = policy
        self.source = source
        self.schema: Schema = schema_with(source, policy.sequences)
        self.conditions: list[Checked] = [rule.when.check(self.schema) for rule in policy.rules]
        self.credits = [rule.credit for rule in policy.rules] + [policy.default.credit]

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The source's fields that the policy reads."""
        names = [name for condition in self.conditions for name in condition.fields]
        for sequence in self.policy.sequences.values():
            names += sequence.fields(self.source)
        return tuple(name for name in dict.fromkeys(names) if name not in self.policy.sequences)

    @property
    def whole(self) -> bool:
        """Whether every record counts wholly or not at all."""
        return all(credit in (0.0, 1.0) for credit in self.credits)

    @cached_property
    def decide(self) -> Callable[[Mapping[str, object]], int]:
        """From a bound record to the position of the rule that decides."""
        return compile_first(self.conditions)

    def verdict(self, position: int) -> Verdict:
        """What the rule at a position says, without the reasons of the others."""
        decisive = self.policy.default if position == len(self.conditions) else self.policy.rules[position]
        return Verdict(decisive.credit, self.policy.rule_name(position), decisive.because)

    def bound(self, record: Mapping[str, object]) -> dict[str, Scalar]:
        """A host's record as conditions read it; a sequence's number is taken from the record itself."""
        row = (
            record.get(self.source.column(self.source.role("id") or ""), "?") if self.source.role("id") else 0
        )
        bound = bind_record(self.source, record, row, self.fields)
        for name in self.policy.sequences:
            number = record.get(name)
            bound[name] = float(number) if isinstance(number, int | float) else None
        return bound

    def of(self, record: Mapping[str, object]) -> Verdict:
        """What the policy says of one host's record."""
        return self.verdict(self.decide(self.bound(record)))

    def explain(self, record: Mapping[str, object]) -> Verdict:
        """The same with every rule's reasons."""
        return self.explain_bound(self.bound(record))

    def explain_bound(self, bound: Mapping[str, Scalar]) -> Verdict:
        """The same of a bound record."""
        decided = self.decide(bound)
        considered = []
        for position, (rule, condition) in enumerate(zip(self.policy.rules, self.conditions, strict=True)):
            matched, step = trace(condition, bound)
            considered.append(
                Consideration(
                    self.policy.rule_name(position),
                    None if matched is None else bool(matched),
                    position == decided,
                    rule.because,
                    step,
                )
            )
        verdict = self.verdict(decided)
        return Verdict(verdict.credit, verdict.rule, verdict.because, tuple(considered))

    def derive(self, frame: frames.Frame) -> frames.Frame:
        """The bound frame with the derived fields."""
        for name, sequence in self.policy.sequences.items():
            frame = number_frame(frame, name, sequence, self.source)
        return frame

    def derive_records(self, rows: list[dict[str, Scalar]]) -> None:
        """The derived fields put into bound records."""
        for name, sequence in self.policy.sequences.items():
            number_records(rows, name, sequence, self.source)

    def chosen(self, values: list[Any], dtype: Any) -> nw.Expr:
        """For each row of a bound frame, the value at the position of the rule that decides."""
        import narwhals as nw

        result = nw.lit(values[-1], dtype)
        for condition, value in reversed([*zip(self.conditions, values, strict=False)]):
            result = nw.when(condition_column(condition)).then(nw.lit(value, dtype)).otherwise(result)
        return result

    def credit(self, records: object) -> object:
        """Each record with `credit`, `rule` and `because`; see `Policy.credit`."""
        verdicts = [self.verdict(position) for position in range(len(self.conditions) + 1)]
        if binding.is_records(records):
            listed: list[Mapping[str, object]] = binding.records_of(records)
            bound = binding.bind_records(self.source, listed, self.fields)
            self.derive_records(bound.rows)
            said = [verdicts[self.decide(row)] for row in bound.rows]
            kept = [listed[position] for position in bound.positions]
            for record in kept:
                _refuse_taken(record)
            return [
                {**record, "credit": each.credit, "rule": each.rule, "because": each.because}
                for record, each in zip(kept, said, strict=True)
            ]
        return self._credit_frame(records, verdicts)

    def _credit_frame(self, records: object, verdicts: list[Verdict]) -> object:
        import narwhals as nw

        wrapped = frames.wrap(records, self.source.name)
        _refuse_taken(wrapped.collect_schema().names())
        bound = binding.bind_frame(self.source, records, self.fields, numbered=True)
        host = frames.numbered(wrapped)
        derived = self.derive(bound.frame).select(
            frames.ROW,
            self.chosen([each.credit for each in verdicts], nw.Float64).alias("credit"),
            self.chosen([each.rule for each in verdicts], nw.String).alias("rule"),
            self.chosen([each.because for each in verdicts], nw.String).alias("because"),
        )
        return frames.beside(host, derived).drop(frames.ROW).to_native()


def _refuse_taken(columns: Collection[object]) -> None:
    for name in ("because", "credit", "rule"):
        if name in columns:
            raise FieldError("F110", f"there is a column {shown(name)} already", hint="rename it")
