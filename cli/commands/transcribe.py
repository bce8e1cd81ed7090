"""`pluct transcribe`: buys a transcription; repeating the command does not charge a second credit."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.client import Reply, path_segment
from cli.errors import CommandError
from cli.exit_codes import FAILED, INVALID
from cli.options import Json, Video
from cli.output import print_json
from cli.session import Session, open_session
from engine.metadata import links
from engine.platform import ids
from engine.platform.errors import InvalidUrl

POLL_INTERVAL_S = 1.5
FINAL_STATUSES = frozenset({"completed", "failed"})


# One parameter per option: Typer reads the signature.
def transcribe(
    context: typer.Context,
    url: Video,
    user: Annotated[
        str | None, typer.Option(help="Who pays; by default the local run's demo user.")
    ] = None,
    again: Annotated[int, typer.Option(help="A new number buys the same video again.", min=0)] = 0,
    wait: Annotated[int, typer.Option(min=1, help="Seconds to wait for the text.")] = 900,
    job: Annotated[
        str | None, typer.Option(help="Wait for this job instead of buying a new one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Buy a transcription, wait for it, and print the text.

    The request id is derived from user, video and --again. Repeated within 15 minutes, the command
    continues with the job that it bought before; later it ends with an error, and charges nothing.
    """
    with open_session(context, as_json=as_json) as session:
        payer = user or session.endpoint.demo_user
        if payer is None:
            raise CommandError("Name the user who pays: --user.")
        headers = session.user_headers(payer)
        job_id = job or _buy(session, payer, headers, url, again)
        found = _wait(session, job_id, headers, wait)
        if as_json:
            print_json(found)
        elif found["status"] == "completed":
            typer.echo(found.get("text") or "")
        if found["status"] != "completed":
            why = found.get("message") or found.get("error") or "no reason was given"
            session.note(f"Job {job_id} failed: {why} The credit is {found.get('credit')}.")
            raise typer.Exit(FAILED)


def request_id(user: str, url: str, again: int) -> str:
    """The same id for every form of a video's address. Raises `CommandError` where it is not a video."""
    try:
        video = links.parse(url).url
    except InvalidUrl as error:
        raise CommandError(str(error), INVALID, {"code": error.code}) from None
    return f"transcribe-{ids.digest(user, video, str(again))}"


def _buy(session: Session, user: str, headers: Mapping[str, str], url: str, again: int) -> str:
    """The id of the job that is started now or was started by the same command before.

    Raises `CommandError`.
    """
    key = request_id(user, url, again)
    vended = session.client.post("/v1/vend-token", {}, headers=headers, key=key).required()
    is_replayed = "idempotency-replayed" in vended.headers
    session.note(_receipt(vended, user, is_replayed=is_replayed))
    ticket = {"authorization": f"Bearer {vended.members['token']}"}
    started = session.client.post("/ttt/transcribe", {"url": url}, headers=ticket, key=key)
    if started.status == 401 and is_replayed:
        raise CommandError(
            "This was bought more than 15 minutes ago, and its token has expired. If the job ran, "
            f"--job shows its text; --again {again + 1} buys the video again.",
            facts={"code": "bought_before"},
        )
    members = started.required().members
    session.note(f"Job {members['jobId']}.")
    return str(members["jobId"])


def _receipt(vended: Reply, user: str, *, is_replayed: bool) -> str:
    if is_replayed:
        return f"Already paid by {user}; continuing with that job."
    return f"One credit of {user} is held; {vended.members['balanceAfter']} left."


def _wait(session: Session, job_id: str, headers: Mapping[str, str], wait_s: int) -> dict[str, Any]:
    """The final status of a job. Raises `CommandError` where it takes longer than `wait_s`."""
    deadline = time.monotonic() + wait_s
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=session.as_json,
        transient=True,
    )
    with bar:
        task = bar.add_task("queued", total=100)
        while True:
            reply = session.client.get(f"/ttt/status/{path_segment(job_id)}", headers=headers)
            members = reply.required().members
            progress = int(members.get("progress") or 0)
            bar.update(task, completed=progress, description=str(members["status"]))
            if members["status"] in FINAL_STATUSES:
                return members
            if time.monotonic() >= deadline:
                raise CommandError(
                    f"Job {job_id} has not ended after {wait_s} s; continue with --job {job_id}.",
                    FAILED,
                    {"jobId": job_id},
                )
            time.sleep(POLL_INTERVAL_S)
