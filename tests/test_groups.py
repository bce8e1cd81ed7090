"""How the tests are divided between processes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.settings import ROOT
from tests.conftest import group_of

IN_GROUPS = ("--dist", "loadgroup", "--no-loadscope-reorder")
TESTS = "import pytest\n\n@pytest.mark.parametrize('n', range(6))\ndef test_it(n): pass\n"
CONFTEST = "from tests.conftest import pytest_xdist_make_scheduler\n"


def test_the_tests_of_a_file_run_in_one_process(tmp_path: Path) -> None:
    """Else each process would build what the tests of a file share."""
    files = ("test_a.py", "test_b.py", "test_c.py")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for name in files:
        (tmp_path / name).write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "xdist", "-v", "-n", "2", *IN_GROUPS],
        cwd=tmp_path,
        env={
            "PATH": os.defpath,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/engine'}",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    ran = re.findall(r"\[(gw\d)\] .*PASSED (\w+\.py)::", done.stdout)
    assert len(ran) == 18
    assert sorted(name for _, name in set(ran)) == list(files)
    assert {worker for worker, _ in ran} == {"gw0", "gw1"}


@pytest.mark.parametrize(
    ("test", "group"),
    [
        ("tests/e2e/test_cli.py::test_it[a/b.py::c]", "e2e"),
        ("tests/browser/test_money.py::test_it", "browser"),
        ("tests/test_credits.py::test_it[1]", "test_credits"),
        ("tests/mutation/test_jobs.py::test_it", "test_jobs"),
    ],
)
def test_tests_that_share_a_local_run_are_one_group(test: str, group: str) -> None:
    assert group_of(test) == group
