"""Where notices are sent: to public addresses over TLS alone, checked before each call."""

import socket
import ssl
from pathlib import Path

import pytest

from engine.access.keyrings import Ring
from engine.subscriptions import outbox
from engine.subscriptions import receiver as receiver_module
from engine.subscriptions.receiver import NotAllowed, NotDelivered
from engine.subscriptions.receiver import Receiver as PostReceiver
from tests.support.receivers import receiving, self_signed

pytestmark = pytest.mark.enable_socket


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str, port: int = 9) -> None:
    """Every name resolves to `addresses`."""
    found = [
        (
            socket.AF_INET6 if ":" in address else socket.AF_INET,
            socket.SOCK_STREAM,
            6,
            "",
            (address, port),
        )
        for address in addresses
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def receiver_at(url: str, *, is_local: bool = False) -> PostReceiver:
    return PostReceiver(url, Ring(("key",)), is_local=is_local)


PUBLIC = "93.184.216.34"
INSIDE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
    "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1",
    "nonsense",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_a_private_address_is_not_called_even_beside_a_public_one(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for found in ([address], [PUBLIC, address]):
        resolving_to(monkeypatch, *found)
        with pytest.raises(NotAllowed, match="not a public address"):
            receiver_at("https://hooks.example.test/x").post(b"{}", {})


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.test/", "ftp://hooks.example.test/", "https://", "https:///x", "//x",
     "https://user@hooks.example.test/", "https://a:b@hooks.example.test/", "https://[::1", "",
     "https://hooks.example.test:99999/", "https://hooks.example.test:0/", "file:///etc/passwd"],
)  # fmt: skip
def test_only_an_https_address_is_called(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, PUBLIC)
    with pytest.raises(NotAllowed):
        receiver_at(url).post(b"{}", {})


def test_a_name_without_addresses_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch)
    with pytest.raises(NotDelivered):
        receiver_at("https://hooks.example.test/").post(b"{}", {})


def test_locally_loopback_may_be_called_and_still_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiving() as found:
        url = f"http://127.0.0.1:{found.port}/a?b=c"
        assert receiver_at(url, is_local=True).post(b"{}", {}).status == 204
        with pytest.raises(NotAllowed):
            receiver_at(url).post(b"{}", {})
        assert [path for path, _, _ in found.got] == ["/a?b=c"]
    for url, address in (
        ("http://x.test/", "10.0.0.1"), ("https://x.test/", "10.0.0.1"), ("http://x.test/", PUBLIC),
    ):  # fmt: skip
        resolving_to(monkeypatch, address)
        with pytest.raises(NotAllowed):
            receiver_at(url, is_local=True).post(b"{}", {})


def test_the_checked_address_is_called_under_the_names_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two addresses: the first takes no connection, so the second is called within the same attempt."""
    certificate, key = self_signed(tmp_path, "hooks.example.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setattr("engine.platform.outgoing.certifi.where", lambda: str(certificate))
    with receiving(context) as receiver:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            unused = closed.getsockname()[1]
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
            for port in (unused, receiver.port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        url = f"https://hooks.example.test:{receiver.port}/in"
        sent = receiver_at(url, is_local=True).post(b"{}", {"webhook-id": "msg_1"})
        assert sent.status == 204
        ((path, headers, body),) = receiver.got
        assert (path, body) == ("/in", b"{}")
        assert headers["host"] == f"hooks.example.test:{receiver.port}"
        assert headers["content-type"] == "application/json"
        other = f"https://other.example.test:{receiver.port}/"
        with pytest.raises(NotDelivered):
            receiver_at(other, is_local=True).post(b"{}", {})
        assert len(receiver.got) == 1


def test_one_attempt_ends_before_the_lease_of_its_notice() -> None:
    assert receiver_module.LIMITS.seconds < outbox.LEASE_S
