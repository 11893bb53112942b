"""What `mkdocs build` adds to docs/: the README as the first page, the change log, commands from their own help, and
the committed figures."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from sweeps.cli.commands import COMMANDS

REPOSITORY = Path(__file__).parents[1]
PAGES = {"index.md": "README.md", "CHANGELOG.md": "CHANGELOG.md", "CONTRIBUTING.md": "CONTRIBUTING.md"}
FIGURES = ("results/reference/*/figures/*.png", "results/reference/*/report.html")
SHOWN = ("LICENSE", "CITATION.cff", "examples/*/README.md", *FIGURES)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the repository's top, the page of commands, and the files that pages show."""
    for name, source in PAGES.items():
        files.append(File.generated(config, name, content=(REPOSITORY / source).read_text()))
    files.append(File.generated(config, "commands.md", content=_commands()))
    for file in (found for pattern in SHOWN for found in sorted(REPOSITORY.glob(pattern))):
        name = file.relative_to(REPOSITORY).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links as they are in the site, where all pages lie side by side."""
    if page.file.src_uri in PAGES:
        markdown = re.sub(r"\]\(docs/", "](", markdown)
        markdown = re.sub(r"^!\[[^]]*\]\(https://img\.shields\.io.*\n", "", markdown, flags=re.M)
    markdown = re.sub(r"^> \[!NOTE\]\n((?:> .*\n)+)", _note, markdown, flags=re.M)
    return re.sub(r"\]\(\.\./README\.md(#[^)]*)?\)", "](index.md)", markdown).replace("](../", "](")


def on_post_page(output: str, **_: Any) -> str:
    """Search in pages opened from a disk without a script from the web."""
    return output.replace("https://unpkg.com/iframe-worker/shim", "assets/iframe-worker.js")


on_post_template = on_post_page  # of the page for what is not found


def _note(found: re.Match[str]) -> str:
    return "!!! note\n\n" + re.sub(r"^> ", "    ", found[1], flags=re.M)


def _commands() -> str:
    """Each command with its arguments and options, from the code."""
    parts = ["# Commands\n\n`mmcr-sweeps COMMAND` where the package is installed, `python FILE` in a checkout.\n"]
    for name, (module, _) in COMMANDS.items():
        parts.append(f"## {name}\n\n`python {module.replace('.', '/')}.py`\n")
        command = typer.main.get_command(importlib.import_module(module).app)
        inner = getattr(command, "commands", {"": command})
        for sub, one in inner.items():
            parts.append(_command(f"{name} {sub}".strip() if sub else "", one))
    return "\n".join(parts)


def _command(title: str, command: Any) -> str:
    rows = [f"| {_names(one)} | {_text(one.help)} | {_default(one)} |" for one in command.params if one.name != "help"]
    head = f"### {title}\n\n" if title else ""
    table = "| argument | what it is | default |\n|---|---|---|\n" + "\n".join(rows)
    return f"{head}{_text(command.help)}\n\n{table}\n\n{_text(command.epilog)}\n"


def _names(one: Any) -> str:
    names = [*one.opts, *one.secondary_opts]
    return ", ".join(f"`{name if name.startswith('-') else name.upper()}`" for name in names)


def _default(one: Any) -> str:
    if one.required:
        return "required"
    return f"`{one.default}`" if isinstance(one.default, str | int | float) and one.default is not False else ""


def _text(text: str | None) -> str:
    return " ".join((text or "").replace("|", "\\|").replace("<", "&lt;").split())
