"""Hooks of MkDocs: pages of the site that are not in docs/, made when it is built.

The README is the first page; a notebook becomes a page without its outputs; the reference has a page per public module,
with every public name. Nothing of kerasgan is imported: its source is parsed.
"""

import ast
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "kerasgan"
# Pages outside of docs/ that its pages link to; the README replaces an index.
PAGES = {"index.md": "README.md"} | {
    name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "saved_models/README.md")
}
OTHER_FILES = ("saved_models/digits/1/model_card.json",)


def public_names(path: pathlib.Path) -> list[str]:
    """Names in a module's `__all__` or, without one, of what it defines, in the order of its source."""
    defined = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                return [name for name in ast.literal_eval(node.value) if not name.startswith("_")]
            case ast.ClassDef() | ast.FunctionDef():
                defined.append(node.name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                defined.append(name)
    return [name for name in defined if not name.startswith("_")]


def reference() -> dict[str, list[str]]:
    """The public names of each public module, `kerasgan` first."""
    names = public_names(PACKAGE / "__init__.py")
    files = {
        name: path
        for name in names
        for path in (PACKAGE / f"{name}.py", PACKAGE / name / "__init__.py")
        if path.is_file()
    }
    modules = {f"kerasgan.{name}": public_names(path) for name, path in files.items()}
    return {"kerasgan": [name for name in names if name not in files], **modules}


def reference_page(module: str, names: list[str]) -> str:
    """The docstring of a module and those of its names, as directives of mkdocstrings."""
    page = f"# {module}\n\n::: {module}\n    options: {{members: false, show_root_heading: false}}\n"
    for name in names:
        # Every model has the methods of these two; their base classes are not public.
        inherited = "    options: {inherited_members: true}\n" if name in ("GAN", "VAE") else ""
        page += f"\n::: {module}.{name}\n{inherited}"
    return page


def notebook_page(path: pathlib.Path) -> str:
    """The cells of a notebook as Markdown."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    parts = [f"```python\n{text}\n```" if kind == "code" else text for kind, text in texts]
    return "\n\n".join([*parts, f"[Download this notebook]({path.name})"])


def pages() -> dict[str, str]:
    """The Markdown of each page that is not in docs/."""
    return (
        {page: (ROOT / name).read_text(encoding="utf-8") for page, name in PAGES.items()}
        | {f"reference/{module}.md": reference_page(module, names) for module, names in reference().items()}
        | {f"examples/{path.stem}.md": notebook_page(path) for path in sorted(ROOT.glob("examples/*.ipynb"))}
    )


def on_config(config):
    """Puts the pages of the reference into the navigation, and the package onto the search path."""
    (entry,) = (entry for entry in config.nav if "Reference" in entry)
    entry["Reference"] = [{module: f"reference/{module}.md"} for module in reference()]
    return config


def on_files(files, config):
    """Adds the pages, and the files that they link to."""
    from mkdocs.structure.files import File  # the tests have no MkDocs

    for page, text in pages().items():
        files.append(File.generated(config, page, content=text))
    for path in [*ROOT.glob("examples/*.ipynb"), *(ROOT / name for name in OTHER_FILES)]:
        files.append(File.generated(config, str(path.relative_to(ROOT)), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, **_):
    """Turns links between files of the repository into links between pages: docs/ is the root of the site."""
    if "/" in page.file.src_uri:
        return markdown
    markdown = re.sub(r"\]\((\.\./|docs/)", "](", markdown).replace("](README.md", "](index.md")
    return re.sub(r"\]\((examples/\w+)\.ipynb\)", r"](\1.md)", markdown)
