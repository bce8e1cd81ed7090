"""A stand-in for AWS's image of the runtime, made of Debian packages and AWS's runtime interface client,
for a machine that reaches no container registry. Needs root and `mmdebstrap`.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path

from tools.sam.layer_image import MACHINES

RELEASE = "trixie"
"""The Debian release whose Python is the runtime's."""
PACKAGES = "python3,dash,coreutils,libstdc++6"
CLIENT = "awslambdaric"
"""AWS's runtime interface client, in the version that the tests run."""
DEBIAN = {"arm64": "arm64", "x86_64": "amd64"}

_ENTRYPOINT = '#!/bin/sh\nexport _HANDLER="$1"\nexec /var/runtime/bootstrap\n'
_BOOTSTRAP = """\
#!/bin/sh
export AWS_EXECUTION_ENV=AWS_Lambda_python{version}
export PYTHONPATH=/opt/python/lib/python{version}/site-packages:/opt/python:/var/runtime
exec /var/lang/bin/python{version} -m awslambdaric "$_HANDLER"
"""
_CONFIG = {
    "Env": [
        "LANG=C.UTF-8",
        "PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin",
        "LAMBDA_TASK_ROOT=/var/task",
        "LAMBDA_RUNTIME_DIR=/var/runtime",
    ],
    "WorkingDir": "/var/task",
    "Entrypoint": ["/lambda-entrypoint.sh"],
}
# Devices and mounts of the making machine; Docker brings its own.
_LEFT_OUT = ("./dev", "./proc", "./sys")


class ImageError(RuntimeError):
    """The image cannot be made; the text carries what the program that failed said."""


def make(archive: Path, tag: str, version: str, architecture: str) -> None:
    """Writes `archive`, for `docker load`: an image of one layer under `tag`, with Python `version`.

    Raises ImageError.
    """
    with tempfile.TemporaryDirectory(prefix="pluct-image-") as folder:
        root = Path(folder) / "root"
        suite = ["--variant=extract", f"--architectures={DEBIAN[architecture]}"]
        _do("mmdebstrap", "--quiet", *suite, f"--include={PACKAGES}", RELEASE, str(root))
        _add_runtime(root, version, architecture)
        layer = Path(folder) / "layer.tar"
        with tarfile.open(layer, "w") as packed:
            packed.add(root, ".", filter=_kept)
        _save(archive, layer, tag, DEBIAN[architecture])


def _add_runtime(root: Path, version: str, architecture: str) -> None:
    """What AWS's image has beside an operating system; without it a container starts no handler."""
    # Nothing ran in there yet, so what Debian's scripts would have linked is linked here.
    for name in ("bin", "sbin", "lib", "lib64"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    if not (root / "usr/bin/sh").exists():
        (root / "usr/bin/sh").symlink_to("dash")
    for name in ("var/task", "var/runtime", "var/lang/bin", "var/rapid", "opt", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / f"var/lang/bin/python{version}").symlink_to(f"/usr/bin/python{version}")
    _script(root / "lambda-entrypoint.sh", _ENTRYPOINT)
    _script(root / "var/runtime/bootstrap", _BOOTSTRAP.format(version=version))
    client = f"{CLIENT}=={metadata.version(CLIENT)}"
    platform = [
        "--platform",
        f"manylinux2014_{MACHINES[architecture]}",
        "--python-version",
        version,
    ]
    kind = ["--implementation", "cp", "--only-binary=:all:"]
    target = ["--target", str(root / "var/runtime")]
    _do(sys.executable, "-m", "pip", "install", "-qq", *platform, *kind, *target, client)


def _save(archive: Path, layer: Path, tag: str, architecture: str) -> None:
    """The form of `docker save`: Docker Image Specification 1.2."""
    with open(layer, "rb") as packed:
        digest = hashlib.file_digest(packed, "sha256").hexdigest()
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": _CONFIG,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created_by": "tools.sam.image"}],
    }
    text = json.dumps(config).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as image:
        for member, content in ((name, text), ("manifest.json", json.dumps(manifest).encode())):
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            image.addfile(entry, io.BytesIO(content))
        image.add(layer, "layer.tar")


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    inside = any(entry.name.startswith(f"{folder}/") for folder in _LEFT_OUT)
    return None if inside else entry


def _script(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _do(*words: str) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    except FileNotFoundError:
        raise ImageError(f"{words[0]} is not installed.") from None
    if done.returncode:
        raise ImageError(f"{words[0]} failed:\n{done.stderr[-2000:]}")
