"""For whom a record counts, as it is declared: the owner, several payees with shares, or a table of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, final

import pydantic
from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag

from crmrules.fields import Frozen
from crmrules.policy.condition import Condition
from crmrules.policy.dated import OwnershipRule, Shares


def no_bool(value: object) -> object:
    """Yes and no are no numbers, although Python takes them for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no share: write 0 to 1, such as 0.5 for a half")
    return value


Share = Annotated[float, Field(ge=0, le=1), BeforeValidator(no_bool)]
MOST_OVERLAY = 10.0
"""The largest overlay share, 1000 %."""


def _kind_of_share(value: object) -> str:
    return "formula" if isinstance(value, str) else "share"


PayeeShare = Annotated[
    Annotated[float, Field(ge=0, le=MOST_OVERLAY), BeforeValidator(no_bool), Tag("share")]
    | Annotated[str, Tag("formula")],
    Discriminator(_kind_of_share),
]


@final
class Payee(BaseModel):
    """Who gets how much of a record.

    to: an expression that gives the payee: a field such as `salesperson`, or a constant such as `'House'`.
    share: of the record, or an expression that gives it. overlay: extra credit beside the 100 %, which is
    never counted as revenue; it may be more than 1.
    """

    model_config = Frozen

    to: str
    share: PayeeShare = 1.0
    overlay: bool = False

    @pydantic.model_validator(mode="after")
    def _check(self) -> Payee:
        if not self.overlay and isinstance(self.share, float) and self.share > 1:
            raise ValueError(
                f"a share of {self.share:g} is more than the whole: write 0 to 1, "
                "or overlay: true for credit beside the 100 %"
            )
        return self


@final
class SplitTable(BaseModel):
    """Payees that stand in a table of their own, a row for each record and payee.

    table: its source. record: its field that holds the record's id; to, share, overlay: its fields that
    hold the payee, the share and whether it is overlay. Records without a row belong to their owner.
    """

    model_config = Frozen

    table: str
    record: str
    to: str
    share: str
    overlay: str | None = None


@final
class Owned(BaseModel):
    """Payees by a table of owners with dates: whoever owns the customer on the day of the record."""

    model_config = Frozen

    ownership: OwnershipRule


def _kind_of_payees(value: object) -> str:
    if isinstance(value, list | tuple):
        return "list"
    owned = isinstance(value, Owned) or (isinstance(value, Mapping) and "ownership" in value)
    return "owners" if owned else "table of payees"


Payees = Annotated[
    Annotated[tuple[Payee, ...], Field(min_length=1), Tag("list")]
    | Annotated[SplitTable, Tag("table of payees")]
    | Annotated[Owned, Tag("owners")],
    Discriminator(_kind_of_payees),
]


def table_of(payees: Payees | None) -> str | None:
    """The table that the payees come from, None where they stand in the record."""
    if isinstance(payees, Owned):
        return payees.ownership.table
    return payees.table if isinstance(payees, SplitTable) else None


@final
class Returns(BaseModel):
    """Records that take back what an earlier record of the same source gave, such as returned goods.

    when: which records they are. original: the field that holds the id of the record that they take back.
    Their credit, payees and shares are those of that record, so a full return leaves nothing to anybody.
    period: whether they count in their own period (`current`) or in the original's.
    missing: what happens where the original is not among the records: an `error`, or the return is judged
    by itself (`own`).
    """

    model_config = Frozen

    when: Condition
    original: str
    period: Literal["current", "original"] = "current"
    missing: Literal["error", "own"] = "error"


__all__ = ["Owned", "Payee", "Payees", "Returns", "Share", "Shares", "SplitTable", "table_of"]
