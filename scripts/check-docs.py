#!/usr/bin/env python3
"""Checks what the documents say of the tree: links, files, tests, options, messages, and how long two of them are.

Looks at every *.md that git knows or would add. Prints FILE:LINE and what to do; ends with 1 where something is wrong.
Needs nothing but Python and git; takes about a second.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Lines that a reader should not have to read more than.
LONGEST = {"README.md": 250, "ARCHITECTURE.md": 450}

# Options in the documents that are no option of ours: of which program, and what for.
FOREIGN = {
    "--help": "every program",
    "--cfg": "rustc: --cfg loom builds the models",
    "--check": "cargo fmt",
    "--exact": "cargo test: one test",
    "--example": "cargo run",
    "--features": "cargo",
    "--force": "cargo install: over an older version",
    "--locked": "cargo",
    "--nocapture": "cargo test",
    "--now": "systemctl enable",
    "--open": "cargo doc",
    "--path": "cargo",
    "--release": "cargo",
    "--root": "cargo install",
    "--test": "cargo test: one file of tests",
    "--test-threads": "cargo test",
    "--cflags": "pkg-config",
    "--libs": "pkg-config",
    "--static": "pkg-config",
}

# Names in the documents that nothing here has, and whose they are.
ELSEWHERE = {
    "Permission denied": "the C library",
    "assignment destination is read-only": "NumPy",
    "client.py": "the program of PROTOCOL.md, where somebody saves it",
    "seq_cst": "C11",
    "shm_open": "POSIX",
}

# Where options are defined: in Rust by clap, in Python by argparse, in scripts by hand.
OPTION_SOURCES = ["broker/src", "broker/examples", "client/cli/src", "client/python", "tests", "scripts"]

# Folders whose files documents name from the root.
FOLDERS = "broker|client|protocol|tests|packaging|scripts|docs"

# Files that hold no code, or only names of this script.
NO_CODE = (".md", ".lock", "check-docs.py")

problems: list[str] = []


def complain(document: str, line: int, text: str) -> None:
    problems.append(f"{document}:{line}: {text}")


def tracked() -> list[str]:
    """Files that git knows or would add, and that are there."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted({name for name in names if name and (ROOT / name).is_file()})


FILES = tracked()
EVERYTHING = set(FILES) | {str(parent) for name in FILES for parent in Path(name).parents}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def without_code(lines: list[str]) -> list[str]:
    """The lines with fenced code left empty and code spans blanked, at the same places."""
    kept, fenced = [], False
    for line in lines:
        if line.lstrip().startswith("```"):
            fenced = not fenced
            kept.append("")
        else:
            kept.append("" if fenced else re.sub(r"`[^`]*`", lambda span: " " * len(span[0]), line))
    return kept


def anchors(name: str) -> set[str]:
    """What `#…` may name in a document, as GitHub makes it of headings."""
    found: dict[str, int] = {}
    fenced = False
    for line in text_of(name).splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        heading = re.match(r"#{1,6} +(.*)", line)
        if not heading or fenced:
            continue
        title = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return set(found)


def check_links(document: str, lines: list[str]) -> None:
    for number, line in enumerate(without_code(lines), 1):
        targets = re.findall(r"\]\(([^)\s]+)\)", line) + re.findall(r'(?:src|srcset|href)="([^"]+)"', line)
        for target in targets:
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            place = (ROOT / document).parent / path if path else ROOT / document
            place = Path(*place.resolve().relative_to(ROOT).parts) if place.exists() else None
            if place is None or str(place) not in EVERYTHING:
                complain(document, number, f"the link {target} leads nowhere; name a file of the repository")
            elif anchor and place.suffix == ".md" and anchor not in anchors(str(place)):
                complain(document, number, f"{place} has no heading for #{anchor}; see its headings")


def functions() -> dict[str, list[str]]:
    """Functions of Rust and Python, and in which files they are."""
    found: dict[str, list[str]] = {}
    for name in FILES:
        if name.endswith((".rs", ".py")):
            for function in re.findall(r"\b(?:fn|def) (\w+)", text_of(name)):
                found.setdefault(function, []).append(name)
    return found


FUNCTIONS = functions()
# All that is called something in the code.
WORDS = set(re.findall(r"\w+", "\n".join(map(text_of, (name for name in FILES if not name.endswith(NO_CODE))))))
# Tests as documents call them: by their file or folder, as crashes, models or pylon.
GROUPS = {re.sub(r"\.rs$", "", part) for name in FILES if "test" in name for part in name.split("/")}
GROUPS |= {"ring", "python"}


def is_in_group(group: str, name: str) -> bool:
    """Whether a file belongs to such a group of tests."""
    return re.search(rf"(^|/){group}(\.rs$|/)", name) is not None


def check_names(document: str, lines: list[str]) -> None:
    """Names in code spans. Those behind the name of a group of tests (crashes `a_killed…`, `…`) are of that group."""
    text = "\n".join(lines)
    promises = re.search(r"^## The promises$.*?^## ", text, re.MULTILINE | re.DOTALL)
    group, end = None, 0
    for match in re.finditer(r"(?:(?<![\w`])([a-z_]+)(?: |\n(?!\n)) *)?`([^`\n]+)`", text):
        word, span, number = match[1], match[2], text.count("\n", 0, match.start(2)) + 1
        goes_on = word is None and re.fullmatch(r"[\s,]*", text[end : match.start()])
        group, end = (group if goes_on else word if word in GROUPS else None), match.end()
        if re.fullmatch(r"[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+|\w+(?:::\w+)+", span):
            missing = [part for part in span.split("::") if part not in WORDS]
        elif re.fullmatch(r"…?[a-z][a-z0-9]*(_[a-z0-9]+)+", span) and span not in GROUPS:
            pattern = re.compile(span.replace("…", ".*"))
            places = [place for name in FUNCTIONS if pattern.fullmatch(name) for place in FUNCTIONS[name]]
            in_promises = promises and promises.start() < match.start() < promises.end()
            if group and places and not any(is_in_group(group, place) for place in places):
                complain(document, number, f"{span} is not among the tests {group}; it is in {places[0]}")
            missing = [] if places or (span in WORDS and not group and not in_promises) else [span]
        else:
            continue
        for name in missing:
            if name not in ELSEWHERE:
                complain(document, number, f"nothing is called {name}; name the test or the thing that is meant now")
    for number, line in enumerate(lines, 1):
        for kind, target in re.findall(r"--(test|example) ([a-z_]+)", line):
            wanted = re.compile(rf"(^|/){kind}s/{target}(\.rs|/main\.rs)$")
            if not any(wanted.search(name) for name in FILES):
                complain(document, number, f"cargo knows no {kind} {target}")


def check_files(document: str, lines: list[str]) -> None:
    """Paths in the text, from the root, and files in code spans, of which the end of the path is enough."""
    for number, line in enumerate(lines, 1):
        line = re.sub(r"\]\([^)]*\)", "]", line)
        for path in re.findall(rf"(?<![\w./…-])((?:{FOLDERS})/[\w./-]+)", line):
            path = path.rstrip("./")
            if not any(f"/{name}".endswith(f"/{path}") for name in EVERYTHING) and not re.search(r"[A-Z]{3}$", path):
                complain(document, number, f"there is no {path}; name where it is now")
        for span in re.findall(r"`(?:\.\./)*(\w[\w./-]*\.(?:rs|py|sh|md|svg|h))`", line):
            if span not in ELSEWHERE and not any(f"/{name}".endswith(f"/{span}") for name in FILES):
                complain(document, number, f"there is no file {span}; name where it is now")


def our_options() -> set[str]:
    found = {"--version", "--help"}
    for name in FILES:
        if not name.startswith(tuple(OPTION_SOURCES)):
            continue
        text = text_of(name)
        if name.endswith(".rs"):
            attribute = r"#\[arg\(((?:[^\[\]]|\[[^\]]*\])*?)\)\]\s*(?:#\[[^\n]*\]\s*)*(?:pub )?(\w+)\s*:"
            for content, field in re.findall(attribute, text):
                given = re.search(r'\blong = "([^"]+)"', content)
                if given or re.search(r"\blong\b", content):
                    found.add("--" + (given[1] if given else field.replace("_", "-")))
        elif name.endswith(".py") and not name.endswith("check-docs.py"):
            found.update(re.findall(r'"(--[a-z][a-z-]+)"', text))
        elif name.endswith((".sh", ".go")):
            found.update(re.findall(r"(--[a-z][a-z-]+)(?:[ =*|)\"])", text) if name.startswith("scripts") else [])
            found.update("--" + flag for flag in re.findall(r'flag\.\w+\("([a-z-]+)"', text))
    return found


def check_options(documents: dict[str, list[str]]) -> None:
    ours, used = our_options(), set()
    for document, lines in documents.items():
        for number, line in enumerate(lines, 1):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", line):
                used.add(option)
                if option not in ours and option not in FOREIGN:
                    complain(document, number, f"no program here has the option {option}; see broker --help")
    for option in sorted(set(FOREIGN) - used):
        complain("scripts/check-docs.py", 1, f"no document names {option} any more: take it out of FOREIGN")


def check_messages(document: str, lines: list[str]) -> None:
    """Messages in the first column of the tables of errors, but for what stands where `…` is."""
    code = "\n".join(text_of(name) for name in FILES if name.endswith((".rs", ".py", ".sh", ".cpp")))
    code = re.sub(r'\\\n\s*|"\s*\n\s*f?"', "", code)
    for number, line in enumerate(lines, 1):
        for span in re.findall(r"`([^`]+)`", line.split(" | ")[0]) if line.startswith("| ") else []:
            for piece in (piece.strip(" ;:,") for piece in span.split("…")):
                if " " in piece and piece not in code and piece not in ELSEWHERE:
                    complain(document, number, f"no program says {piece!r}; quote what it says now")


def check_drawings(documents: dict[str, list[str]]) -> None:
    shown = {name for lines in documents.values() for name in re.findall(r"([\w-]+\.svg)", "\n".join(lines))}
    index = "\n".join(documents.get("docs/README.md", []))
    for name in FILES:
        if re.fullmatch(r"docs/[\w-]+\.svg", name):
            if Path(name).name not in shown:
                complain(name, 1, "no document shows this drawing")
            for module in re.findall(r'class="code mid"[^>]*>([\w.]+)<', text_of(name)) if "modules" in name else []:
                if not any(re.search(rf"^(broker|protocol)/src/(.+/)?{module}(\.rs)?$", place) for place in EVERYTHING):
                    complain(name, 1, f"the broker has no {module}; draw what it has")
            if "prefers-color-scheme: dark" not in text_of(name) or "<script" in text_of(name):
                complain(name, 1, "a drawing has a style for dark pages, and no script")
        elif re.fullmatch(r"docs/[a-z-]+\.md", name) and f"({Path(name).name})" not in index:
            complain("docs/README.md", 1, f"the index does not name {name}")


def main() -> int:
    documents = {name: text_of(name).splitlines() for name in FILES if name.endswith(".md")}
    for document, lines in documents.items():
        check_links(document, lines)
        check_names(document, lines)
        check_files(document, lines)
        if len(lines) > LONGEST.get(document, len(lines)):
            complain(document, len(lines), f"{len(lines)} lines, at most {LONGEST[document]}; move a subject to docs/")
    check_messages("docs/troubleshooting.md", documents["docs/troubleshooting.md"])
    check_options(documents)
    check_drawings(documents)
    print("\n".join(problems) or f"{len(documents)} documents agree with the tree")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
