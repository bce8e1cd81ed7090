"""Compiles every module under a folder for the interpreter that runs this: `compile_tree.py FOLDER PREFIX`.

Run by the function's own version of Python, so it imports the standard library only. The hashes are
unchecked, because an archive changes the times that the usual check looks at. In one process and in
order, with the folder's own name replaced by PREFIX, the same sources give the same bytes everywhere.
"""

from __future__ import annotations

import py_compile
import sys
from pathlib import Path


def compile_tree(folder: Path, prefix: str) -> int:
    """How many modules there were. Raises `py_compile.PyCompileError` for one that is no Python."""
    modules = sorted(folder.rglob("*.py"))
    for module in modules:
        py_compile.compile(
            str(module),
            dfile=f"{prefix}/{module.relative_to(folder).as_posix()}",
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    return len(modules)


if __name__ == "__main__":
    print(compile_tree(Path(sys.argv[1]), sys.argv[2]))
