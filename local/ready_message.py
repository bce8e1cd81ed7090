"""The message of a local run that is ready: addresses, credentials, and commands to try the gateway."""

from __future__ import annotations

VIDEO = "https://www.tiktok.com/@scout2015/video/6718335390845095173"
_JSON = "-H 'content-type: application/json'"


def summary(members: dict[str, str], standins: dict[str, str], engine_gaps: tuple[str, ...]) -> str:
    """The whole message. `members` are those of the run file, `standins` the addresses of the stand-ins."""
    shown = {"The gateway": members["baseUrl"], "The AWS engine": members["engineUrl"], **standins}
    credentials = {
        name: value for name, value in members.items() if name.endswith(("Key", "Secret"))
    }
    parts = [
        _table({**shown, "Table": members["tableName"], "Demo user": members["demoUser"]}),
        _table(_dashboard(members)),
        _table(credentials),
        journey(members),
    ]
    if engine_gaps:
        parts.append("Without effect locally: " + "; ".join(engine_gaps) + ".\n")
    return "\n".join(parts)


def _dashboard(members: dict[str, str]) -> dict[str, str]:
    return {
        "The dashboard": members["baseUrl"] + "/dashboard",
        "Operator": members["dashboardUser"],
        "Password": members["dashboardPassword"],
    }


def journey(members: dict[str, str]) -> str:
    """Commands for a POSIX shell with curl and python3, from a new device to a transcription."""
    return f"""\
BASE={members["baseUrl"]}
member() {{ python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }}
# Register a device: it gets a user and a token.
DEVICE=$(curl -sS -X POST $BASE/v1/devices)
WHO=$(printf %s "$DEVICE" | member userId); TOKEN=$(printf %s "$DEVICE" | member token)
# Add credits by a payment and by an API key.
curl -sS $BASE/add-credits -H 'x-webhook-secret: {members["webhookSecret"]}' \\
  {_JSON} -d '{{"userId":"'$WHO'","amount":5}}'; echo
curl -sS $BASE/v1/credits/add -H 'x-api-key: {members["adminKey"]}' \\
  {_JSON} -d '{{"userId":"'$WHO'","amount":1}}'; echo
curl -sS $BASE/v1/credits/balance -H "authorization: Bearer $TOKEN"; echo
# Vend a token for one credit and start a transcription with it.
VENDED=$(curl -sS -X POST $BASE/v1/vend-token -H "authorization: Bearer $TOKEN" | member token)
JOB=$(curl -sS $BASE/ttt/transcribe -H "authorization: Bearer $VENDED" \\
  {_JSON} -d '{{"url":"{VIDEO}"}}' | member jobId)
for second in $(seq 30); do
  STATUS=$(curl -sS $BASE/ttt/status/$JOB -H "authorization: Bearer $VENDED")
  printf %s "$STATUS" | grep -Eq '"status": ?"(completed|failed)"' && break; sleep 1
done
printf %s "$STATUS" | member text
# Buy a pack: an intent, a payment at Stripe's stand-in, and the receipt.
BOUGHT=$(curl -sS $BASE/v1/payments/intents -H "authorization: Bearer $TOKEN" {_JSON} \\
  -d '{{"packId":"p250","provider":"stripe","currency":"USD","clientRequestId":"buy-1"}}')
curl -sS -X POST "$(printf %s "$BOUGHT" | member checkoutUrl)"; echo; sleep 3
curl -sS $BASE/v1/payments/$(printf %s "$BOUGHT" | member intentId) -H "authorization: Bearer $TOKEN"; echo
"""


def _table(rows: dict[str, str]) -> str:
    width = max(map(len, rows))
    return "".join(f"{name:<{width}}  {value}\n" for name, value in rows.items())
