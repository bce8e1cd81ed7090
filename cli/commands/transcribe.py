"""`pluct transcribe`: a credit becomes a text, and repeating the command costs no second one."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.client import Reply, segment
from cli.output import FOUND, INVALID, Json, Trouble, print_json
from cli.session import Desk, at
from engine.metadata import links
from engine.platform import ids
from engine.platform.errors import InvalidUrl

POLL_S = 1.5
ENDED = frozenset({"completed", "failed"})


def transcribe(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="The address of a TikTok video.")],
    user: Annotated[str | None, typer.Option(help="Who pays; the demo user locally.")] = None,
    again: Annotated[
        int, typer.Option(help="Another number buys the same video once more.", min=0)
    ] = 0,
    wait: Annotated[int, typer.Option(min=1, help="Seconds to wait for the text.")] = 900,
    job: Annotated[str | None, typer.Option(help="Wait for this job instead of buying.")] = None,
    as_json: Json = False,
) -> None:
    """Buy a transcription, wait for it, print the text.

    The request id is made of user, video and --again: a repeated command goes on with what the first
    one bought, for 15 minutes, and after that it says so before anything is charged.
    """
    with at(context, as_json=as_json) as desk:
        payer = user or desk.place.user
        if payer is None:
            raise Trouble("Say who pays: --user.")
        reader = desk.user_headers(payer)
        job_id = job or _bought(desk, payer, reader, url, again)
        found = _ended(desk, job_id, reader, wait)
        if as_json:
            print_json(found)
        elif found["status"] == "completed":
            typer.echo(found.get("text") or "")
        if found["status"] != "completed":
            why = found.get("message") or found.get("error") or "no reason was given"
            if not as_json:
                desk.note(f"Job {job_id} failed: {why} The credit is {found.get('credit')}.")
            raise typer.Exit(FOUND)


def request_key(user: str, url: str, again: int) -> str:
    """The same for the same video, however its address is written. Raises `Trouble`: nothing is
    bought for what is no video.
    """
    try:
        video = links.parse(url).url
    except InvalidUrl as error:
        raise Trouble(str(error), INVALID, {"code": error.code}) from None
    return f"transcribe-{ids.digest(user, video, str(again))}"


def _bought(desk: Desk, user: str, reader: Mapping[str, str], url: str, again: int) -> str:
    """The job that was started now, or by the same command before. Raises `Trouble`."""
    key = request_key(user, url, again)
    vended = desk.calls.post("/v1/vend-token", {}, headers=reader, key=key).required()
    replayed = "idempotency-replayed" in vended.headers
    desk.note(_receipt(vended, user, replayed=replayed))
    ticket = {"authorization": f"Bearer {vended.members['token']}"}
    started = desk.calls.post("/ttt/transcribe", {"url": url}, headers=ticket, key=key)
    if started.status == 401 and replayed:
        raise Trouble(
            "This was bought more than 15 minutes ago, and its token has run out. If the job ran, "
            f"--job shows its text; --again {again + 1} buys the video once more.",
            facts={"code": "bought_before"},
        )
    members = started.required().members
    desk.note(f"Job {members['jobId']}.")
    return str(members["jobId"])


def _receipt(vended: Reply, user: str, *, replayed: bool) -> str:
    if replayed:
        return f"Already paid by {user}; going on with it."
    return f"One credit of {user} is held; {vended.members['balanceAfter']} left."


def _ended(desk: Desk, job_id: str, reader: Mapping[str, str], wait_s: int) -> dict[str, Any]:
    """The status of a job that has ended. Raises `Trouble` where it takes too long."""
    give_up_at = time.monotonic() + wait_s
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=desk.as_json,
        transient=True,
    )
    with bar:
        task = bar.add_task("queued", total=100)
        while True:
            found = desk.calls.get(f"/ttt/status/{segment(job_id)}", headers=reader)
            members = found.required().members
            progress = int(members.get("progress") or 0)
            bar.update(task, completed=progress, description=str(members["status"]))
            if members["status"] in ENDED:
                return members
            if time.monotonic() >= give_up_at:
                raise Trouble(
                    f"Job {job_id} has not ended after {wait_s} s; go on with --job {job_id}.",
                    FOUND,
                    {"jobId": job_id},
                )
            time.sleep(POLL_S)
