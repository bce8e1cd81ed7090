"""The dashboard's served files are generated from their sources, and how modules are bundled."""

from pathlib import Path

import pytest

from tools import web
from tools.web import WebError


def source(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def test_the_served_files_are_generated_from_their_sources() -> None:
    assert not web.stale(), "run .venv/bin/python -m tools.web"


def test_a_module_is_bundled_once_and_after_its_dependencies(tmp_path: Path) -> None:
    root = source(
        tmp_path,
        main='import { one } from "./a.js";\nimport { two as due } from "./b.js";\none(due);',
        a='import { two } from "./b.js";\nexport function one() { return two; }',
        b="export const two = 2;\nconst hidden = 1;",
    )
    text = web.script(root)
    assert text.index("const $b =") < text.index("const $a =") < text.index("const $main =")
    assert text.count("const two = 2;") == 1
    assert "const { two: due } = $b;" in text and "return { two: two };" in text
    assert "import" not in text and "export" not in text


def test_comments_are_left_out_of_our_modules_and_kept_in_the_packages(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    root = source(
        tmp_path,
        main='// Starts.\nimport htm from "htm";\n  // Why.\nhtm("// text", 1); // kept',
        **{"vendor/htm": "// Licence.\nexport default 1;"},
    )
    text = web.script(root)
    assert "Starts." not in text and "Why." not in text and "// Licence." in text
    assert 'htm("// text", 1); // kept' in text


def test_lists_and_defaults_are_exported_under_their_outer_names(tmp_path: Path) -> None:
    root = source(
        tmp_path,
        main='import it from "./a.js";\nimport { out } from "./b.js";\nit(out);',
        a="export default function (x) {}",
        b="const inner = 1;export{inner as out};",
    )
    text = web.script(root)
    assert "const { default: it } = $a;" in text and "return { default: __default };" in text
    assert "return { out: inner };" in text


def test_modules_that_import_each_other_are_refused(tmp_path: Path) -> None:
    root = source(
        tmp_path,
        main='import { a } from "./a.js";',
        a='import { b } from "./b.js";\nexport const a = 1;',
        b='import { a } from "./a.js";\nexport const b = 1;',
    )
    with pytest.raises(WebError, match=r"main.js > a.js > b.js > a.js"):
        web.script(root)


def test_an_unknown_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WebError, match="left-pad"):
        web.script(source(tmp_path, main='import pad from "left-pad";'))


def test_no_source_parses_text_as_markup_or_code() -> None:
    """Users' text stays text: no module parses a string as HTML or as a script."""
    banned = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
              "dangerouslySetInnerHTML", "javascript:", "srcdoc")  # fmt: skip
    for path in web.SOURCE.glob("*.js"):
        found = [word for word in banned if word in path.read_text(encoding="utf-8")]
        assert not found, f"{path.name}: {found}"
