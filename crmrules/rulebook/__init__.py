"""One document for all rules: load, check, score, remind."""

from crmrules.rulebook.book import Rulebook, schema

__all__ = ["Rulebook", "schema"]
