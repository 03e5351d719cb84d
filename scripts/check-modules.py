#!/usr/bin/env python3
"""Checks that imports between the modules of each crate run in no circle, and in the broker only down its floors.

The floors are those of docs/modules.svg. Tests and comments are not looked at. Ends with 1 where something is wrong.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CRATES = ["broker/src", "client/src", "client/cli/src", "client/c/src", "client/python/src", "protocol/src"]

# Modules of the broker from the top: each may use those on the floors below it only.
FLOORS = [["run"], ["sessions"], ["stream"], ["worker", "config"], ["events"], ["source"], ["factory"], ["counter"]]

# Circles of two files that are one subject, in two files for its size.
ONE_SUBJECT = [
    {"factory::registry", "factory::segment"},
    {"source::pylon::ffi::camera", "source::pylon::ffi::feature"},
]


def modules(crate: Path) -> dict[str, str]:
    """The modules of a crate by their path, and their code without tests and comments."""
    found = {}
    for file in sorted(crate.rglob("*.rs")):
        parts = file.relative_to(crate).with_suffix("").parts
        name = "::".join(parts[:-1] if parts[-1] == "mod" else parts)
        if not name.endswith("tests"):
            code = re.split(r"#\[cfg\(test\)\]\s*mod \w+ \{", file.read_text(encoding="utf-8"))[0]
            # The root of a crate shows names of its modules, and may use them all.
            root = "" if name in ("lib", "main") else name
            found[root] = found.get(root, "") + re.sub(r"//.*", "", code)
    return found


def shown(code: str) -> dict[str, str]:
    """What a module shows of its own parts: from which part each name is."""
    found = {}
    for part, names in re.findall(r"pub(?:\(\w+\))? use (?:self::)?(\w+)::(\w+|\{[^}]*\})", code):
        found.update(dict.fromkeys(re.findall(r"\w+", names), part))
    return found


def imports(name: str, code: str, known: dict[str, str]) -> set[str]:
    """Modules that one names, by the longest path that is a module; without its own parts and those it is part of."""
    used = set()
    for path, names in re.findall(r"\b((?:crate|super)(?:::\w+)*)(?:::\{([^}]*)\})?", code):
        parts, base = path.split("::"), name.split("::")
        while parts[:1] == ["super"]:
            parts, base = parts[1:], base[:-1]
        parts = parts[1:] if parts[:1] == ["crate"] else base + parts
        for last in re.findall(r"\w+", names) or [""]:
            whole = [*parts, last]
            length = next(n for n in range(len(whole), -1, -1) if "::".join(whole[:n]) in known)
            module = "::".join(whole[:length])
            part = shown(known[module]).get(whole[length]) if length < len(whole) else None
            longer = "::".join(filter(None, [module, part]))
            module = longer if longer in known else module
            if module and not f"{module}::".startswith(f"{name}::") and not f"{name}::".startswith(f"{module}::"):
                used.add(module)
    return used


def circles(uses: dict[str, set[str]]) -> list[list[str]]:
    """A shortest way back from each module that has one, each circle once."""
    found = {}
    for start in uses:
        ways, seen = [[start]], {start}
        while ways:
            way = ways.pop(0)
            for module in sorted(uses[way[-1]]):
                if module == start:
                    found.setdefault(frozenset(way), [*way, start])
                    ways = []
                    break
                if module not in seen:
                    seen.add(module)
                    ways.append([*way, module])
    return list(found.values())


def main() -> int:
    problems, count = [], 0
    floor = {module: number for number, modules in enumerate(FLOORS) for module in modules}
    for crate in CRATES:
        known = modules(ROOT / crate)
        uses = {name: imports(name, code, known) for name, code in known.items() if name}
        count += len(uses)
        for circle in circles(uses):
            if set(circle) not in ONE_SUBJECT:
                problems.append(f"{crate}: a circle: {' → '.join(circle)}; move what both need below them")
        for name, used in uses.items() if crate == "broker/src" else []:
            own = name.split("::")[0]
            for other in sorted({module.split("::")[0] for module in used} - {own}):
                if floor.get(other, -1) <= floor.get(own, len(FLOORS)):
                    text = f"{crate}: {name} uses {other}, which is on no floor below {own} (docs/modules.svg)"
                    problems.append(text)
    print("\n".join(problems) or f"{count} modules, no circle, and the floors of the broker hold")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
