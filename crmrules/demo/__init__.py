"""A trading company's year, made up, to try rules on."""

from crmrules.demo.data import Member, Order, orders, team

__all__ = ["Member", "Order", "orders", "team"]
