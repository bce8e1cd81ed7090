"""Times in epoch seconds (UTC), durations in seconds, and the text format of a time."""

import time

HOUR_S = 3600
DAY_S = 24 * HOUR_S


def iso(epoch_s: int) -> str:
    """`epoch_s` as ISO 8601 in UTC with milliseconds, the format of every answer."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(epoch_s))
