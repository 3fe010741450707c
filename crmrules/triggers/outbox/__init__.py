"""Where reminders are kept until they are delivered: states, occurrences, deliveries."""
