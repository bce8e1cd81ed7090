"""Passes a paid transcription on to TTTranscribe and answers how it goes."""

from engine.access import bearer, front_secret, keyrings
from engine.access.identity import People
from engine.access.keyrings import ENGINE_JWT_SECRET, TTT_SHARED_SECRET, VEND_JWT_SECRET, KeyRings
from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger
from engine.metadata import links
from engine.platform import config, table
from engine.platform.circuit import Circuit
from engine.platform.errors import JobNotFound
from engine.platform.ids import is_job_id
from engine.platform.table import Table
from engine.products.catalogue import Catalogue
from engine.products.product import TRANSCRIPT
from engine.transcription import handover, jobs, submission
from engine.transcription import status as job_status
from engine.transcription import webhook as job_webhook
from engine.transcription.answers import Mirrored
from engine.transcription.gateway import Gateway, Questions
from engine.transcription.handover import QueueHandover
from engine.transcription.upstream import Upstream
from engine.web import rate_limits
from engine.web.forms import SubmitForm, UrlQuery
from engine.web.http import Answer, Api, Call
from engine.web.rate_limits import Lots
from engine.web.request_ids import replay_headers

ESTIMATED_DURATION_S = 45

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name))
rings = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    front_secret.names(settings, ENGINE_JWT_SECRET, VEND_JWT_SECRET, TTT_SHARED_SECRET),
)
upstream = Upstream(settings.ttt_base, signs=settings.ttt_signs)
questions = Questions()
polls = Lots()
products = Catalogue(ledger.table)
circuit = Circuit(ledger.table, "ttt")
calls = QueueHandover(settings.calls_queue, handover.connect)
people = People(ledger.table, lambda: rings[ENGINE_JWT_SECRET], settings)
api = Api(settings, front_secret.required(settings, rings))
lambda_handler = api


@api.route("POST", "/ttt/transcribe")
def submit(call: Call) -> Answer:
    token = bearer.vended(call, rings[VEND_JWT_SECRET])
    subject = account_pk(token.user)
    polls.take_beside(ledger.table, subject, "status", "submit_used", settings.rate_limit, call.now)
    form = call.read(SubmitForm)
    act = call.act(f"user:{token.user}")
    key = call.request_key.key
    return _answer(submission.submit(_gateway(call), token, form.url, act, key=key))


@api.route("GET", "/ttt/status/{id}")
@api.route("GET", "/ttt/poll/{id}")
def status(call: Call, id: str) -> Answer:
    user = people.reader(call, rings[VEND_JWT_SECRET])
    if id == jobs.PING:
        return Answer({"ok": True, "jobId": jobs.PING, "status": "ok"})
    if not is_job_id(id):
        raise JobNotFound()
    polls.take(ledger.table, account_pk(user), "status", settings.rate_limit, call.now)
    act = call.act("system:status", "transcription ended")
    return _answer(job_status.status(_gateway(call), user, id, act))


@api.route("POST", "/webhooks/tttranscribe")
def webhook(call: Call) -> Answer:
    notice = job_webhook.verify(call.raw_body, rings[TTT_SHARED_SECRET], now=call.now)
    act = call.act("system:webhook", "transcription ended")
    return Answer(job_webhook.receive(_gateway(call), notice, act))


@api.route("GET", "/estimate")
def estimate(call: Call) -> Answer:
    user = people.require(call).user
    rate_limits.take(ledger.table, account_pk(user), "read", settings.rate_limit, call.now)
    post = links.parse(call.read_query(UrlQuery).url)
    return Answer(
        {
            "ok": True,
            "estimatedCredits": products.current(TRANSCRIPT.code).price(1),
            "videoUrl": post.url,
            "estimatedDuration": ESTIMATED_DURATION_S,
        }
    )


def _gateway(call: Call) -> Gateway:
    return Gateway(
        ledger,
        upstream,
        rings[TTT_SHARED_SECRET].signing,
        settings.request_timeout_s,
        call.public_base,
        circuit,
        calls,
        keep_days=settings.text_days,
        job_limit_s=settings.job_limit_s,
        products=products,
        questions=questions,
    )


def _answer(mirrored: Mirrored) -> Answer:
    headers = replay_headers(mirrored.replayed)
    return Answer(mirrored.body, mirrored.status, headers)
