"""What the first call over TLS costs: `python -m bench.first_call [--beside ../older-checkout]`.

A process with the layer of a checkout calls DynamoDB and the Parameter Store once each, on a server of this
machine whose certificate is signed by an authority of its own. The roots that it reads are those that the
version ships, and that authority. Counted is the CPU of the two calls; the clients are made before.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench import ROOT
from layers.engine.cut_roots import cut

RUNS = 15
ANSWERS: dict[str, dict[str, list[str]]] = {
    "DynamoDB_20120810.GetItem": {},
    "AmazonSSM.GetParameters": {"Parameters": [], "InvalidParameters": []},
}
CALLER = """
import time
try:
    from engine.access.keyrings import connect as parameters
    from engine.platform import table
except ImportError:  # A version before the rooms.
    from engine.keyrings import connect as parameters
    from engine import table
store, secrets = table.connect(), parameters()
before = time.process_time()
store.get_item(TableName="t", Key={"pk": {"S": "a"}, "sk": {"S": "a"}})
secrets.get_parameters(Names=["/a"])
print((time.process_time() - before) * 1000)
"""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(ANSWERS[self.headers["X-Amz-Target"]]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, str]]:
    """A server's address, and the certificate of the authority that signed its own."""
    authority = _authority(folder / "server.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", authority
    finally:
        server.shutdown()
        server.server_close()


def first_calls(checkout: Path, endpoint: str, bundle: Path) -> float:
    """The CPU of both calls in a new process, in milliseconds."""
    environ = {
        "PATH": os.defpath,
        "PYTHONPATH": str(checkout / "layers" / "engine"),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_CA_BUNDLE": str(bundle),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    command = [sys.executable, "-c", CALLER]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _authority(server_pem: Path) -> str:
    """Writes the key and certificate of 127.0.0.1, and returns the certificate that signed it."""
    key, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    root = _certificate(name, key, key, x509.BasicConstraints(ca=True, path_length=0))
    leaf = _certificate(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]), own, key, address
    )
    private = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    server_pem.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    return root.public_bytes(serialization.Encoding.PEM).decode()


def _certificate(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    builder = x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    return builder.add_extension(extension, critical=False).sign(signer, hashes.SHA256())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.first_call", description=__doc__)
    parser.add_argument("--beside", type=Path, help="a checkout of an older version, in turns")
    asked = parser.parse_args()
    everything = Path(certifi.where()).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as (endpoint, authority):
        shipped = {ROOT: cut(everything)}
        if asked.beside:
            shipped[asked.beside.resolve()] = everything
        found: dict[Path, list[float]] = {checkout: [] for checkout in shipped}
        for number in range(RUNS):
            for checkout, roots in shipped.items():
                bundle = Path(name) / f"{number}-{len(roots)}.pem"
                bundle.write_text(roots + authority, encoding="utf-8")
                found[checkout].append(first_calls(checkout, endpoint, bundle))
    for checkout, times in found.items():
        label = "this version" if checkout == ROOT else "the other"
        spread = f"{min(times):.1f} to {max(times):.1f}"
        print(f"{label}: median {statistics.median(times):.1f} ms of CPU ({spread}), {RUNS} runs")


if __name__ == "__main__":
    main()
