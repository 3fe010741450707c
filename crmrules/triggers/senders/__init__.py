"""Senders that are shipped: mail, webhook, message broker, log. A sender is any callable of a delivery."""
