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
    text = web.scripts(root)[web.APP]
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
    text = web.scripts(root)[web.APP]
    assert "Starts." not in text and "Why." not in text and "// Licence." in text
    assert 'htm("// text", 1); // kept' in text


def test_lists_and_defaults_are_exported_under_their_outer_names(tmp_path: Path) -> None:
    root = source(
        tmp_path,
        main='import it from "./a.js";\nimport { out } from "./b.js";\nit(out);',
        a="export default function (x) {}",
        b="const inner = 1;export{inner as out};",
    )
    text = web.scripts(root)[web.APP]
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
        web.scripts(root)[web.APP]


def on_demand(tmp_path: Path) -> Path:
    """Two pages that share a module and a package of the first, which `main.js` needs as well."""
    loader = (web.SOURCE / web.LOADER).read_text(encoding="utf-8")
    return source(
        tmp_path,
        loader=loader,
        main='import { base } from "./base.js";\nbase(import("./one.js"), import("./two.js"));\n'
        'import("./three.js");',
        base="export function base() {}",
        shared='import { base } from "./base.js";\nexport const shared = base;',
        own="export const own = 1;",
        one='import { own } from "./own.js";\nimport { shared } from "./shared.js";\nexport const one = own;',
        two='import { shared } from "./shared.js";\nexport const two = () => import("./one.js");',
        three="export const three = 3;",
    )


def test_a_module_that_is_imported_on_demand_has_a_file_of_its_own(tmp_path: Path) -> None:
    made = web.scripts(on_demand(tmp_path))
    assert sorted(made) == ["app.js", "one.js", "shared.js", "three.js", "two.js"]
    assert "const $base =" in made["app.js"] and "const $one =" not in made["app.js"]
    assert 'base($part("one.js", "$one"), ' in made["app.js"]
    assert made["one.js"].startswith("export default ($all) => {\nconst { $shared } = $all;\n")
    assert "const $own = $all.$own =" in made["one.js"]
    assert made["shared.js"].startswith("export default ($all) => {\nconst { $base } = $all;\n")
    assert (
        'return $part("one.js"' not in made["two.js"]
        and '$part("one.js", "$one")' in made["two.js"]
    )


def test_the_files_of_a_page_are_in_the_order_of_their_dependencies(tmp_path: Path) -> None:
    assert web.Bundle.of(on_demand(tmp_path)).parts() == {
        "one.js": ["shared.js", "one.js"],
        "two.js": ["shared.js", "two.js"],
        "three.js": ["three.js"],
    }


def test_a_module_that_most_pages_need_is_in_the_first_file(tmp_path: Path) -> None:
    root = on_demand(tmp_path)
    source(root, three='import { shared } from "./shared.js";\nexport const three = shared;')
    assert "const $shared =" in web.scripts(root)[web.APP]


def test_the_page_names_the_address_of_every_file_that_is_loaded_on_demand() -> None:
    page = (web.SERVED / "index.html").read_text(encoding="utf-8")
    for path in web.SERVED.glob("*.js"):
        named = f'<meta name="part:{path.name}" content="{{{{{path.name}}}}}">'
        assert (named in page) == (path.name != web.APP)


def test_an_unknown_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WebError, match="left-pad"):
        web.scripts(source(tmp_path, main='import pad from "left-pad";'))


def test_no_source_parses_text_as_markup_or_code() -> None:
    """Users' text stays text: no module parses a string as HTML or as a script."""
    banned = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
              "dangerouslySetInnerHTML", "javascript:", "srcdoc")  # fmt: skip
    for path in web.SOURCE.glob("*.js"):
        found = [word for word in banned if word in path.read_text(encoding="utf-8")]
        assert not found, f"{path.name}: {found}"
