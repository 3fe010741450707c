"""A trading company's year, made up, to try rules on."""

from crmrules.demo.data import Member, Order, Quota, orders, quotas, team

__all__ = ["Member", "Order", "Quota", "orders", "quotas", "team"]
