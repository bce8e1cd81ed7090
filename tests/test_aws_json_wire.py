"""The client on real connections: kept, renewed, bounded in time and size, and with credentials that end."""

import json
import runpy
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

import certifi
import pytest

from engine.platform import aws_json, http_answers, snapshots
from engine.platform.aws_json import AwsError, Client, ErrorAnswer, Limits, NoAnswer
from engine.platform.signing import Credentials, NoCredentials
from local.settings import ROOT
from tests.support.rawserver import RawServer
from tests.support.receivers import self_signed

KEY = {"TableName": "t", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}}


@dataclass(frozen=True)
class Act:
    """How the server behaves at one request."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] | None = None
    ends: str = ""
    """`before` and `within` the answer, `after` it (announced), or `secretly` after it."""
    hangs: bool = False
    drips: bool = False


class Service(ThreadingHTTPServer):
    """A service that keeps connections open; `acts` are done in order, the last one for ever."""

    daemon_threads = True

    def __init__(self, *acts: Act) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.acts = list(acts) or [Act()]
        self.connections = 0
        self.requests: list[tuple[Mapping[str, str], Any]] = []
        self.over = threading.Event()
        self.lock = threading.Lock()

    def client(self, *, attempts: int = 3, read_s: float = 30, **more: Any) -> Any:
        return Client(
            "dynamodb",
            Limits(attempts, connect_s=30, read_s=read_s),
            endpoint=f"http://127.0.0.1:{self.server_address[1]}",
            region="us-east-1",
            **{"credentials": lambda: Credentials("a", "b", "c"), **more},
        )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.lock:
            self.server.requests.append((headers, json.loads(raw)))
            act = self.server.acts.pop(0) if len(self.server.acts) > 1 else self.server.acts[0]
        self.close_connection = bool(act.ends)
        if act.hangs:
            self.server.over.wait(60)
        if act.hangs or act.ends == "before":
            return
        body = raw if act.body == b"echo" else act.body
        self.send_response(act.status)
        for name, value in {**(act.headers or {}), "content-length": str(len(body))}.items():
            self.send_header(name, value)
        if act.ends == "after":
            self.send_header("connection", "close")
        self.end_headers()
        if act.drips:
            while not self.server.over.wait(0.02):
                self.wfile.write(b" ")
            return
        self.wfile.write(body[:-1] if act.ends == "within" else body)

    def log_message(self, format: str, *args: Any) -> None:
        """The server says nothing on the terminal."""


@contextmanager
def service(*acts: Act) -> Iterator[Service]:
    with Service(*acts) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()


def test_calls_go_over_one_connection() -> None:
    with service() as server:
        client = server.client()
        for _ in range(5):
            assert client.get_item(**KEY) == {}
        assert server.connections == 1
        client.close()


def test_a_request_is_the_one_that_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2-3;Sampled=1")
    with service() as server:
        server.client().get_item(**KEY)
        ((headers, body),) = server.requests
    assert body == KEY
    assert headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert headers["x-amz-security-token"] == "c"
    assert headers["x-amzn-trace-id"] == "Root=1-2-3;Sampled=1"
    assert headers["accept-encoding"] == "identity"
    signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert signed == ["content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"]


@pytest.mark.parametrize("ends", ["after", "secretly"])
def test_a_connection_that_the_server_closed_is_renewed(ends: str) -> None:
    with service(Act(ends=ends)) as server:
        client = server.client(attempts=1)
        for number in range(4):
            assert client.get_item(**KEY) == {}
            wait_for(lambda: ends == "after" or closed(client))
            assert server.connections == number + 1


def closed(client: Client) -> bool:
    return all(aws_json._is_over(connection) for connection in client._idle)


def wait_for(is_so: Any) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_restored_process_opens_new_connections() -> None:
    with service() as server:
        client = server.client()
        client.get_item(**KEY)
        snapshots.restored()
        client.get_item(**KEY)
        assert server.connections == 2


@pytest.mark.parametrize("ends", ["before", "within"])
def test_a_lost_answer_is_asked_for_again_and_then_unknown(ends: str) -> None:
    with service(Act(ends=ends), Act(ends=ends), Act()) as server:
        client = server.client()
        client.sleep = lambda _: None
        assert client.update_item(**KEY) == {}
        assert len(server.requests) == 3
        server.acts = [Act(ends=ends)]
        with pytest.raises(NoAnswer) as lost:
            client.update_item(**KEY)
        assert (lost.value.is_unknown, str(lost.value)) == (True, "broken")
        assert len(server.requests) == 6


@pytest.mark.parametrize(
    "act", [Act(hangs=True), Act(drips=True, body=b"x" * 1_000_000)], ids=["silent", "slow"]
)
def test_one_deadline_covers_the_whole_answer(act: Act) -> None:
    """A byte now and then does not extend it, as it does with botocore."""
    with service(act) as server:
        client = server.client(attempts=2, read_s=0.2)
        client.sleep = lambda _: None
        with pytest.raises(NoAnswer) as late:
            client.update_item(**KEY)
        assert (late.value.is_unknown, str(late.value)) == (True, "timeout")
        assert len(server.requests) == 2
        server.acts = [Act()]
        assert server.client().get_item(**KEY) == {}


def test_a_service_that_is_not_there_cannot_have_acted() -> None:
    with service() as server:
        client = server.client()
    client.sleep = lambda _: None
    with pytest.raises(NoAnswer) as away:
        client.update_item(**KEY)
    assert (away.value.is_unknown, str(away.value).endswith(" is unreachable")) == (False, True)


@pytest.mark.parametrize("head", [b"", b"garbage\r\n\r\n"])
def test_what_is_no_http_is_no_answer(head: bytes) -> None:
    server = RawServer(lambda connection: connection.sendall(head))
    client = Client(
        "dynamodb",
        Limits(1),
        endpoint=server.base,
        region="r",
        credentials=lambda: Credentials("a", "b"),
    )
    with pytest.raises(AwsError):
        client.get_item(**KEY)


def test_an_answer_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_answers, "LARGEST", 10_000)
    with service(Act(body=b'{"a":"' + b"x" * 20_000 + b'"}')) as server, pytest.raises(NoAnswer):
        server.client(attempts=1).get_item(**KEY)


def test_threads_get_their_own_answers_over_a_bounded_number_of_connections() -> None:
    threads = 3 * aws_json.POOLED
    with service(Act(body=b"echo")) as server:
        client = server.client()

        def ask(thread: int) -> None:
            for number in range(30):
                asked = {"Key": {"pk": {"S": f"{thread}-{number}"}}}
                assert client.get_item(**asked) == asked

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(ask, range(threads)))
        assert server.connections <= aws_json.POOLED
        assert len(client._idle) <= aws_json.POOLED


def test_connections_are_closed_with_their_client() -> None:
    """Else the process runs out of files; a forgotten socket also warns, which fails the test."""
    with service() as server:
        client = server.client()
        client.get_item(**KEY)
        (connection,) = client._idle
        del client
        assert connection.fileno() == -1


def said(code: str, **headers: str) -> Act:
    return Act(400, json.dumps({"__type": f"x#{code}"}).encode(), headers)


@pytest.mark.parametrize("code", sorted(aws_json._SKEWED))
@pytest.mark.parametrize("ahead_s", [-7200, 7200])
def test_a_wrong_clock_is_put_right_by_the_server_s(code: str, ahead_s: int) -> None:
    date = formatdate(time.time() + ahead_s, usegmt=True)
    with service(said(code), Act()) as server:
        server.acts[0] = Act(400, server.acts[0].body, {"Date": date})
        with mock.patch.object(_Handler, "date_time_string", return_value=date):
            client = server.client()
            client.sleep = None
            assert client.get_item(**KEY) == {}
            assert client.get_item(**KEY) == {}
        stamps = [headers["x-amz-date"] for headers, _ in server.requests]
    seconds = [time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) for stamp in stamps]
    assert abs(seconds[1] - seconds[0] - ahead_s) < 60
    assert abs(seconds[2] - seconds[1]) < 60


class Endpoint:
    """Credentials that change when they are asked for."""

    def __init__(self) -> None:
        self.fetched = 0

    def __call__(self, _environ: Any) -> Credentials:
        self.fetched += 1
        return Credentials(f"AKID{self.fetched}", "s", "t", time.time() + 3600 * 6)


@pytest.mark.parametrize("code", ["ExpiredTokenException", "ExpiredToken"])
def test_credentials_that_have_ended_are_fetched_anew(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = Endpoint()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setattr("engine.platform.signing._fetched", endpoint)
    with service(said(code), Act()) as server:
        client = server.client(credentials=None)
        client.sleep = None
        assert client.get_item(**KEY) == {}
        used = [headers["authorization"] for headers, _ in server.requests]
        assert ["AKID1/" in used[0], "AKID2/" in used[1]] == [True, True]
        server.acts = [said(code)]
        with pytest.raises(ErrorAnswer):
            client.get_item(**KEY)
        assert len(server.requests) == 2 + 3


def test_without_credentials_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Credentials:
        raise NoCredentials("none")

    with service() as server:
        with pytest.raises(NoAnswer) as error:
            server.client(credentials=none).get_item(**KEY)
        assert (error.value.is_unknown, server.requests) == (False, [])


def test_credentials_of_the_environment_that_have_ended_are_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    with service(said("ExpiredTokenException")) as server:
        with pytest.raises(ErrorAnswer):
            server.client(credentials=None).get_item(**KEY)
        assert len(server.requests) == 1


ROOTS_TOOL = ROOT / "layers" / "engine" / "cut_roots.py"


def cut(bundle: str) -> str:
    found: str = runpy.run_path(str(ROOTS_TOOL))["cut"](bundle)
    return found


def test_the_roots_of_aws_are_cut_from_those_of_certifi(tmp_path: Path) -> None:
    """The roots that chains of AWS's endpoints end in: https://www.amazontrust.com/repository."""
    pem = tmp_path / "roots.pem"
    pem.write_text(cut(Path(certifi.where()).read_text()))
    context = ssl.create_default_context(cafile=pem)
    names = [
        dict(part[0] for part in root["subject"])["commonName"] for root in context.get_ca_certs()
    ]
    assert sorted(names) == [
        "Amazon Root CA 1", "Amazon Root CA 2", "Amazon Root CA 3", "Amazon Root CA 4",
        "Starfield Services Root Certificate Authority - G2",
    ]  # fmt: skip
    ends = [ssl.cert_time_to_seconds(root["notAfter"]) for root in context.get_ca_certs()]
    assert min(ends) > time.time() + 5 * 365 * 24 * 3600


def test_a_bundle_without_one_of_them_fails_the_build() -> None:
    whole = cut(Path(certifi.where()).read_text())
    with pytest.raises(ValueError, match="Amazon Root CA 1"):
        cut(whole[whole.index("-----END") + 30 :])


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A service with a certificate for `service.example.test`, whose name leads to it."""
    certificate, key = self_signed(tmp_path, "service.example.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    aws_json._tls.cache_clear()
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    server = RawServer(lambda connection: connection.sendall(answer), tls=context)
    real = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda address, *more: real(("127.0.0.1", address[1]), *more)
    )
    yield server
    aws_json._tls.cache_clear()


def over_tls(server: RawServer, host: str) -> Client:
    return Client(
        "dynamodb",
        Limits(1, connect_s=30, read_s=30),
        endpoint=f"https://{host}:{server.port}",
        region="r",
        credentials=lambda: Credentials("a", "b"),
    )


def test_a_call_over_tls_checks_the_name_of_the_certificate(tls: RawServer) -> None:
    assert over_tls(tls, "service.example.test").call("GetItem", **KEY) == {}
    with pytest.raises(NoAnswer, match="unreachable"):
        over_tls(tls, "another.example.test").call("GetItem", **KEY)


def test_a_certificate_of_another_root_is_not_accepted(
    tls: RawServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pem = tmp_path / "roots.pem"
    pem.write_text(cut(Path(certifi.where()).read_text()))
    monkeypatch.delenv("AWS_CA_BUNDLE")
    monkeypatch.setattr(aws_json, "ROOTS", pem)
    aws_json._tls.cache_clear()
    with pytest.raises(NoAnswer, match="unreachable"):
        over_tls(tls, "service.example.test").call("GetItem", **KEY)
