"""Notices about payments and low credits reach the operator's own system, signed, also of users without a
subscription.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.support.openrouter import Context
from tests.support.payers import bought, selling
from tests.support.receivers import receiving
from tests.support.streams import event, records, stored_entries

pytestmark = pytest.mark.enable_socket


def test_granted_refunded_unmatched_and_low_are_sent_once_and_signed(endpoint: str) -> None:
    with receiving() as receiver:
        shop = selling(
            endpoint, NOTIFY_URL=f"http://127.0.0.1:{receiver.port}/hooks", ENVIRONMENT="local"
        )
        sale = bought(shop)
        sale.settle()
        sale.lose(refunded=100)
        stray = bought(shop)
        stray.settle(intent="")
        user, headers = shop.user(balance=3)
        assert shop.vend(headers).status == 200
        projector: Any = shop.function("projector")
        projector.lambda_handler(event(records(stored_entries(shop.ledger.table, user))), Context())
        notices: Any = shop.function("notices")
        notices.clock = lambda: max(shop.clock(), 2_000_000_000)
        for _ in range(2):
            notices.lambda_handler({}, Context())
    secret = notices.rings["NOTIFY_SECRET"].signing
    found = []
    for _, headers, body in receiver.got:
        stamp = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()
        digest = hmac.new(secret.encode(), stamp + body, hashlib.sha256).digest()
        assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
        message = json.loads(body)
        about = message["data"].get("paymentId") or message["data"]["userId"]
        if about in (sale.proof.payment, stray.proof.payment, user):
            found.append((message["type"], about))
    assert sorted(found) == [
        ("credits.low", user),
        ("payment.granted", sale.proof.payment),
        ("payment.refunded", sale.proof.payment),
        ("payment.unmatched", stray.proof.payment),
    ]
