"""The code blocks of the documentation's pages."""

from pathlib import Path

from documentation.links import prose

ROOT = Path(__file__).parents[2]
PAGES = sorted({
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks/README.md",
    *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md"),
    *ROOT.glob("examples/*/README.md"),
})  # fmt: skip


def blocks(text):
    """The code blocks of a page, as (language, code)."""
    lines = []
    for line, is_prose in prose(text):
        if not is_prose:
            lines.append(line)
        elif lines:
            yield _block(lines)
            lines = []
    if lines:
        yield _block(lines)


def all_blocks(*languages):
    """The blocks of all pages in some languages, as (page, code)."""
    for page in PAGES:
        for language, code in blocks(page.read_text(encoding="utf-8")):
            if language in languages:
                yield page.relative_to(ROOT).as_posix(), code


def _block(lines):
    indent = len(lines[0]) - len(lines[0].lstrip())
    language = lines[0].strip().lstrip("`~").partition(" ")[0]
    return language, "".join(line[indent:] if line.strip() else line for line in lines[1:-1])
