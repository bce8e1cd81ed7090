"""One botocore session for all of a function's clients: a second one would load its data again."""

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session, get_session

from engine.platform import snapshots


@cache
def session() -> Session:
    """The session; region, credentials and endpoint come from the environment."""
    return get_session()


def client(service: str, config: Config) -> Any:
    """A client of `service`; region and endpoint come from the environment, and no connection from a
    snapshot.
    """
    made: Any = session().create_client(service, config=config)
    return snapshots.renews(made, lambda client: client.close())
