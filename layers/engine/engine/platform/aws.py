"""One botocore session for all of a function's clients: a second one would load its data again."""

from functools import cache

from botocore.session import Session, get_session


@cache
def session() -> Session:
    """The session; region, credentials and endpoint come from the environment."""
    return get_session()
