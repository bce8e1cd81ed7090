"""Writes the roots that AWS's endpoints are certified by: `cut_roots.py CERTIFI_PEM OUT`.

A process reads its roots before its first call over TLS; all of certifi's cost three times the CPU of these.
Source of the fingerprints: the repository of Amazon Trust Services (www.amazontrust.com/repository). AWS's
European Sovereign Cloud has other roots; there, `AWS_CA_BUNDLE` names them.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import sys
from pathlib import Path

ROOTS = {
    "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e": "Amazon Root CA 1",
    "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4": "Amazon Root CA 2",
    "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4": "Amazon Root CA 3",
    "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092": "Amazon Root CA 4",
    "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5": "Starfield Services Root CA - G2",
}
"""Names by the SHA-256 of the certificate."""
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)


def cut(bundle: str) -> str:
    """The certificates of `ROOTS` in `bundle`. Raises `ValueError` if one is missing."""
    found = {
        hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest(): pem
        for pem in _PEM.findall(bundle)
    }
    missing = [name for digest, name in ROOTS.items() if digest not in found]
    if missing:
        raise ValueError(f"the bundle lacks {', '.join(missing)}")
    return "".join(found[digest] for digest in ROOTS)


if __name__ == "__main__":
    source, out = map(Path, sys.argv[1:])
    out.write_text(cut(source.read_text(encoding="utf-8")), encoding="ascii")
