"""Compiles every module in a folder: `python3.X compile_tree.py FOLDER PREFIX`.

The interpreter of the functions' runtime runs it, so it imports only the standard library. The `.pyc` files
have unchecked hashes, because an archive changes the times that the default check compares. The modules are
compiled in order, with PREFIX in place of the folder's name, so the same sources give the same bytes
everywhere.
"""

from __future__ import annotations

import py_compile
import sys
from pathlib import Path


def compile_tree(folder: Path, prefix: str) -> int:
    """Returns the number of modules. Raises `py_compile.PyCompileError` for one that is not valid Python."""
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
