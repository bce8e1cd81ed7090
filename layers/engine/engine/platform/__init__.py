"""Mechanisms that do not depend on credits: the table, settings, outgoing calls, errors, logs."""
