"""The scorecard of the benchmark by hand: pandas as one would, pandas tuned, Polars, and SQL for DuckDB."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl

TARGETS = {
    "revenue": 60_000.0,
    "orders": 70.0,
    "customers": 15.0,
    "cycle": 30.0,
    "repeat_share": 0.6,
    "largest": 40_000.0,
    "margin": 0.3,
    "return_share": 0.05,
}
WEIGHTS = {
    "revenue": 30.0,
    "orders": 15.0,
    "customers": 10.0,
    "cycle": 10.0,
    "repeat_share": 15.0,
    "largest": 5.0,
    "margin": 10.0,
    "return_share": 5.0,
}
LOWER = ("cycle", "return_share")
INDICATORS = (*TARGETS,)
CAP = 150.0
GRADES = (("A", 110.0), ("B", 90.0), ("C", 70.0))
CREDITS = (0.0, 0.0, 0.5, 0.25, 1.0, 0.0, 0.75, 1.0, 0.5, 0.75, 0.5, 0.25, 1.0)
"""What the twelve rules give, and the default."""


def pandas_by_hand(orders: pd.DataFrame) -> pd.DataFrame:
    orders = orders.copy()
    line, kind = orders["product_line"], orders["order_type"]
    orders["days"] = (orders["order_date"] - orders["quote_date"]).dt.days
    rules = [
        kind == "sample",
        orders["customer_type"] == "house",
        (line == "Service") & (orders["customer_type"] == "key"),
        line == "Service",
        kind == "return",
        (line == "配件") & (orders["quantity"] < 5),
        line == "配件",
        (orders["amount"] >= 20_000) & (orders["customer_type"] == "key"),
        (kind == "repeat") & (orders["quantity"] >= 90),
        orders["cost"] > 15_000,
        orders["days"] > 55,
        (orders["customer_type"] == "retail") & (orders["quantity"] == 1),
    ]
    orders["credit"] = np.select(rules, CREDITS[:-1], CREDITS[-1])
    counted = orders[orders["credit"] > 0].copy()
    for name in ("amount", "cost"):
        # A share of an amount is rounded to the cent, half away from zero.
        cents = (counted[name] * 100).round() * counted["credit"]
        counted[f"credited_{name}"] = np.sign(cents) * np.floor(cents.abs() + 0.5) / 100
    counted["period"] = counted["order_date"].dt.strftime("%Y-%m")
    keys = ["salesperson", "period"]
    groups = counted.groupby(keys)
    sold = counted[counted["order_type"] != "return"].groupby(keys)
    repeat = counted[counted["order_type"] == "repeat"].groupby(keys)["credited_amount"].sum()
    card = pd.DataFrame(
        {
            "revenue": groups["credited_amount"].sum(),
            "costs": groups["credited_cost"].sum(),
            "orders": sold.size(),
            "returns": counted[counted["order_type"] == "return"].groupby(keys).size(),
            "customers": groups["customer"].nunique(),
            "cycle": sold["days"].mean(),
            "largest": groups["amount"].max(),
        }
    )
    card[["orders", "returns"]] = card[["orders", "returns"]].fillna(0)
    card["repeat"] = repeat.reindex(card.index).fillna(0)
    return _finished(card.reset_index().rename(columns={"salesperson": "subject"}))


def pandas_tuned(orders: pd.DataFrame) -> pd.DataFrame:
    codes = {}
    for name in ("order_type", "customer_type", "product_line"):
        column = orders[name].astype("category")
        codes[name] = column.cat.codes.to_numpy(), [*column.cat.categories]

    def equals(name: str, text: str) -> Any:
        column, texts = codes[name]
        return column == texts.index(text)

    kind_return, key = equals("order_type", "return"), equals("customer_type", "key")
    service, parts = equals("product_line", "Service"), equals("product_line", "配件")
    repeat = equals("order_type", "repeat")
    quantity, amount, cost = (orders[name].to_numpy() for name in ("quantity", "amount", "cost"))
    date = orders["order_date"].to_numpy()
    days = (date - orders["quote_date"].to_numpy()) / np.timedelta64(1, "D")
    rules = [
        equals("order_type", "sample"),
        equals("customer_type", "house"),
        service & key,
        service,
        kind_return,
        parts & (quantity < 5),
        parts,
        (amount >= 20_000) & key,
        repeat & (quantity >= 90),
        cost > 15_000,
        days > 55,
        equals("customer_type", "retail") & (quantity == 1),
    ]
    credit = np.full(len(orders), CREDITS[-1])
    for rule, share in reversed([*zip(rules, CREDITS[:-1], strict=True)]):
        credit[rule] = share
    kept = credit > 0
    sold = ~kind_return[kept]

    def credited(column: Any) -> Any:
        cents = np.rint(column[kept] * 100) * credit[kept]
        return np.copysign(np.floor(np.abs(cents) + 0.5), cents)

    revenue = credited(amount)
    columns = pd.DataFrame(
        {
            "subject": orders["salesperson"].astype("category").array[kept],
            "month": date[kept].astype("datetime64[M]").astype("int64"),
            "revenue": revenue,
            "costs": credited(cost),
            "repeat": np.where(repeat[kept], revenue, 0.0),
            "orders": sold.astype("int64"),
            "returns": (~sold).astype("int64"),
            "cycle": np.where(sold, days[kept], np.nan),
            "customers": orders["customer"].to_numpy()[kept],
            "largest": amount[kept],
        }
    )
    card = columns.groupby(["subject", "month"], sort=False, observed=True).agg(
        {
            **dict.fromkeys(("revenue", "costs", "repeat", "orders", "returns"), "sum"),
            "cycle": "mean",
            "customers": "nunique",
            "largest": "max",
        }
    )
    card = card.reset_index()
    card[["revenue", "costs", "repeat"]] /= 100
    card["period"] = card["month"].to_numpy().astype("datetime64[M]").astype(str)
    return _finished(card.astype({"subject": "str", "period": "str"}))


def _finished(card: pd.DataFrame) -> pd.DataFrame:
    revenue = card["revenue"].replace(0, np.nan)
    card["repeat_share"] = card["repeat"] / revenue
    card["margin"] = (card["revenue"] - card["costs"]) / revenue
    card["return_share"] = card["returns"] / card["orders"].replace(0, np.nan)
    total, weights = np.zeros(len(card)), np.zeros(len(card))
    for name in INDICATORS:
        value = card[name].to_numpy(dtype=np.float64)
        with np.errstate(divide="ignore"):
            attainment = TARGETS[name] / value if name in LOWER else value / TARGETS[name]
        score = np.clip(100 * attainment, 0, CAP)
        known = ~np.isnan(score)
        total += np.where(known, WEIGHTS[name] * score, 0)
        weights += np.where(known, WEIGHTS[name], 0)
    card["score"] = total / weights
    rounded = card["score"].round(9)
    bounds = [bound for _, bound in reversed(GRADES)]
    names = np.array(["D", *(name for name, _ in reversed(GRADES))])
    card["grade"] = names[np.searchsorted(bounds, rounded, side="right")]
    card["rank"] = rounded.groupby(card["period"]).rank(method="min", ascending=False).astype("int64")
    return card


def polars_by_hand(orders: pl.LazyFrame) -> pl.DataFrame:
    line, kind, of = pl.col("product_line"), pl.col("order_type"), pl.col("customer_type")
    rules = [
        kind == "sample",
        of == "house",
        (line == "Service") & (of == "key"),
        line == "Service",
        kind == "return",
        (line == "配件") & (pl.col("quantity") < 5),
        line == "配件",
        (pl.col("amount") >= 20_000) & (of == "key"),
        (kind == "repeat") & (pl.col("quantity") >= 90),
        pl.col("cost") > 15_000,
        pl.col("days") > 55,
        (of == "retail") & (pl.col("quantity") == 1),
    ]
    credit = pl.lit(CREDITS[-1])
    for rule, share in reversed([*zip(rules, CREDITS[:-1], strict=True)]):
        credit = pl.when(rule).then(share).otherwise(credit)

    def credited(name: str) -> pl.Expr:
        cents = (pl.col(name) * 100).round() * pl.col("credit")
        away = pl.when(cents < 0).then(-((-cents + 0.5).floor())).otherwise((cents + 0.5).floor())
        return away.cast(pl.Int64).alias(f"credited {name}")

    sold, revenue = kind != "return", pl.col("credited amount")
    card = (
        orders.with_columns((pl.col("order_date") - pl.col("quote_date")).dt.total_days().alias("days"))
        .with_columns(credit.alias("credit"))
        .filter(pl.col("credit") > 0)
        .with_columns(credited("amount"), credited("cost"), pl.col("order_date").dt.truncate("1mo"))
        .group_by(pl.col("salesperson").alias("subject"), pl.col("order_date").alias("month"))
        .agg(
            (revenue.sum() / 100).alias("revenue"),
            (pl.col("credited cost").sum() / 100).alias("costs"),
            (revenue.filter(kind == "repeat").sum() / 100).alias("repeat"),
            sold.sum().alias("orders"),
            (kind == "return").sum().alias("returns"),
            pl.col("days").filter(sold).mean().alias("cycle"),
            pl.col("customer").n_unique().alias("customers"),
            pl.col("amount").max().alias("largest"),
        )
    )

    def ratio(above: pl.Expr, below: str) -> pl.Expr:
        return above / pl.when(pl.col(below) != 0).then(pl.col(below))

    scores = {}
    for name in INDICATORS:
        attainment = TARGETS[name] / pl.col(name) if name in LOWER else pl.col(name) / TARGETS[name]
        scores[name] = (100 * attainment).clip(0, CAP)
    total = pl.sum_horizontal(WEIGHTS[name] * score for name, score in scores.items())
    weights = pl.sum_horizontal(
        pl.when(score.is_not_null()).then(WEIGHTS[name]).otherwise(0.0) for name, score in scores.items()
    )
    score, grade = pl.col("score").round(9), pl.lit("D")
    for name, bound in reversed(GRADES):
        grade = pl.when(score >= bound).then(pl.lit(name)).otherwise(grade)
    return (
        card.with_columns(
            ratio(pl.col("repeat"), "revenue").alias("repeat_share"),
            ratio(pl.col("revenue") - pl.col("costs"), "revenue").alias("margin"),
            ratio(pl.col("returns"), "orders").alias("return_share"),
            pl.col("month").dt.strftime("%Y-%m").alias("period"),
        )
        .with_columns((total / weights).alias("score"))
        .with_columns(
            grade.alias("grade"),
            score.rank("min", descending=True).over("period").cast(pl.Int64).alias("rank"),
        )
        .collect()
    )


def duckdb_by_hand(orders: duckdb.DuckDBPyConnection) -> Any:
    return orders.sql(SQL).to_arrow_table()


def _points(name: str) -> str:
    share = f"{TARGETS[name]} / {name}" if name in LOWER else f"{name} / {TARGETS[name]}"
    # In DuckDB x / 0 is infinite, and beyond the cap; greatest() passes over what is missing.
    return f"if({name} is null, null, least(greatest(100 * ({share}), 0), {CAP}))"


def _sum(parts: list[str]) -> str:
    return " + ".join(parts)


def _credited(name: str) -> str:
    cents = f"round({name} * 100) * credit"
    return f"(sign({cents}) * floor(abs({cents}) + 0.5))::bigint"


SQL = f"""
with judged as (
  select *, order_date - quote_date as days,
    case when order_type = 'sample' then {CREDITS[0]}
         when customer_type = 'house' then {CREDITS[1]}
         when product_line = 'Service' and customer_type = 'key' then {CREDITS[2]}
         when product_line = 'Service' then {CREDITS[3]}
         when order_type = 'return' then {CREDITS[4]}
         when product_line = '配件' and quantity < 5 then {CREDITS[5]}
         when product_line = '配件' then {CREDITS[6]}
         when amount >= 20000 and customer_type = 'key' then {CREDITS[7]}
         when order_type = 'repeat' and quantity >= 90 then {CREDITS[8]}
         when cost > 15000 then {CREDITS[9]}
         when order_date - quote_date > 55 then {CREDITS[10]}
         when customer_type = 'retail' and quantity = 1 then {CREDITS[11]}
         else {CREDITS[12]} end::double as credit
  from orders),
counted as (
  select *, {_credited("amount")} as credited_amount, {_credited("cost")} as credited_cost
  from judged where credit > 0),
sums as (
  select salesperson as subject, date_trunc('month', order_date) as month,
    sum(credited_amount) / 100 as revenue, sum(credited_cost) / 100 as costs,
    coalesce(sum(credited_amount) filter (order_type = 'repeat'), 0) / 100 as repeated,
    count(*) filter (order_type <> 'return') as orders,
    count(*) filter (order_type = 'return') as returns,
    avg(days) filter (order_type <> 'return') as cycle,
    count(distinct customer) as customers, max(amount) as largest
  from counted group by all),
card as (
  select *, strftime(month, '%Y-%m') as period, repeated / nullif(revenue, 0) as repeat_share,
    (revenue - costs) / nullif(revenue, 0) as margin, returns / nullif(orders, 0) as return_share
  from sums),
points as (select *, {", ".join(f"{_points(name)} as {name}_points" for name in INDICATORS)} from card),
scored as (
  select *, ({_sum([f"coalesce({WEIGHTS[name]}::double * {name}_points, 0)" for name in INDICATORS])})
    / ({_sum([f"if({name}_points is null, 0, {WEIGHTS[name]}::double)" for name in INDICATORS])}) as score
  from points)
select subject, period, {", ".join(INDICATORS)}, score,
  case {" ".join(f"when round(score, 9) >= {bound} then '{name}'" for name, bound in GRADES)}
       else 'D' end as grade,
  rank() over (partition by period order by round(score, 9) desc) as rank
from scored
"""
