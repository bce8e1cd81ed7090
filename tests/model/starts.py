"""Tables that scenarios start from, made by the code itself without faults."""

from tests.model import programs as do
from tests.model.programs import NOW, Asked
from tests.model.scenario import Program, alone
from tests.model.store import Content, job_of

KEY = "first"
TOKEN = do.vended_token(KEY)
JOB_REQUEST = f"job-{TOKEN.jti}"
JOB = job_of(JOB_REQUEST)


def after(*made: Program, content: Content | None = None) -> Content:
    """The table after `made`, one after the other, without faults."""
    content = content or {}
    for program in made:
        outcome, content = alone(program, content)
        if outcome.kind != "ok":
            raise AssertionError(f"{program.name}: {outcome}")
    return content


def funded(balance: int) -> Content:
    return after(do.granted(Asked("fund", at=NOW - 60), balance))


def vended(balance: int) -> Content:
    """One hold is open, `balance` is left."""
    return after(do.vend(Asked("first"), key=KEY), content=funded(balance + 1))


def submitted(balance: int) -> Content:
    """One job is running, `balance` is left."""
    return after(do.submitted(Asked("submit", at=NOW + 10), TOKEN), content=vended(balance))
