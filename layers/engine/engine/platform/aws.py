"""One botocore session shared by all clients of a function; a second would load its data again."""

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session, get_session

from engine.platform import snapshots

CONNECT_S = 1
READ_S = 2
"""boto3's default for each is 60 s, twice as long as API Gateway waits for an answer."""


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


def limits(*, attempts: int, **more: Any) -> Config:
    """A client's limits: at most `attempts` calls, each with the limits `CONNECT_S` and `READ_S`."""
    return Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": attempts},
        user_agent="pluct",
        **more,
    )
