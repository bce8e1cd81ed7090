"""Times in epoch seconds (UTC), durations in seconds, and the text format of a time."""

import calendar
import time
from datetime import date

HOUR_S = 3600
DAY_S = 24 * HOUR_S

EVER = 10**12
"""A time after every other: for reads of an index by time without an end."""


def iso(epoch_s: int) -> str:
    """`epoch_s` as ISO 8601 in UTC with milliseconds, the format of every answer."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(epoch_s))


def start_of(day: str) -> int:
    """The epoch second at which the UTC day (YYYY-MM-DD) starts. Raises `ValueError`."""
    return calendar.timegm(date.fromisoformat(day).timetuple())


def is_day(value: str) -> bool:
    """Whether `value`, written YYYY-MM-DD, is a day of the calendar."""
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
