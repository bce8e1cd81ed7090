"""The seconds that `make check-sam-local` prints."""

import os
import re
import subprocess
import sys
import time

import pytest

from tools.sam.clock import Clock


def test_seconds_of_ended_programs_are_counted() -> None:
    clock = Clock()
    before = clock.used_s()
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert clock.used_s() > before + 0.25


def test_seconds_outside_a_namespace_are_added() -> None:
    clock = Clock(enclosed=True)
    inside = clock.used_s()
    assert inside > 0
    clock.used_before_s = 1000.0
    assert clock.used_s() >= inside + 1000


def test_a_program_with_blanks_in_its_name_is_read() -> None:
    clock = Clock(enclosed=True)
    name = "import ctypes; ctypes.CDLL(None).prctl(15, b'a) b (c', 0, 0, 0); input()"
    words = [sys.executable, "-c", name]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as named:
        assert clock.used_s() > 0
        named.communicate(b"\n")


def test_a_line_has_both_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    Clock(began=time.monotonic() - 5).say("done")
    assert re.fullmatch(r"\[ +5\.\d s, +\d+\.\d s of processors\] done\n", capsys.readouterr().out)
    assert os.times().user > 0
