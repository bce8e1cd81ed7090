"""Mechanisms that know nothing of credits: the table, parameters, clocks of calls, errors, logs."""
