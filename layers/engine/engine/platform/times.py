"""Times: epoch seconds in UTC, spans in seconds, and how a time is written."""

import time

HOUR_S = 3600
DAY_S = 24 * HOUR_S


def iso(epoch_s: int) -> str:
    """`epoch_s` as ISO 8601 in UTC with milliseconds, as the clients' documents show times."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(epoch_s))
