"""All that is explored: the money moves as they are built, and the designs that must break."""

from tests.model.broken import broken_designs
from tests.model.broken_holds import broken_holds
from tests.model.broken_jobs import broken_jobs
from tests.model.broken_wallet import broken_wallet
from tests.model.hold_scenarios import hold_scenarios
from tests.model.poll_scenarios import poll_scenarios
from tests.model.scenario import Scenario
from tests.model.scenarios import scenarios
from tests.model.served_scenarios import served_scenarios
from tests.model.wallet_scenarios import wallet_scenarios


def every_scenario(*, deep: bool = False) -> list[Scenario]:
    """Of tokens, jobs and grants, of polls, of processes that remember, of holds, and of fulfilments."""
    return [
        *scenarios(deep=deep),
        *poll_scenarios(deep=deep),
        *served_scenarios(deep=deep),
        *hold_scenarios(deep=deep),
        *wallet_scenarios(deep=deep),
    ]


def every_broken_design() -> list[Scenario]:
    return [*broken_designs(), *broken_jobs(), *broken_holds(), *broken_wallet()]
