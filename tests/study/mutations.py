"""Study files, overrides and other files as nobody should write them: every choice comes from the `Random` given."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any

from study.spec.yaml_file import parse_document, to_yaml

Place = tuple[str | int, ...]

SNIPPETS = (
    *("[", "]", "{", "}", "{}", "[]", ":", "- ", "? ", "| ", "> ", "# ", "\t", "@", "`", "%", "---", "...", "''", '"'),
    *("&a", "*a", "*b", "&a [*a]", "<<: *a", "<<: 3", "!!set {a, b}", "!!bool x", '!!int ""', "!!binary aGk=", "!x y"),
    *("!!python/object/apply:os.system ['false']", "!!timestamp x", "!!omap [a: 1]", "2020-01-01", "12:30:45"),
    *("0", "-1", "1e3", "1e-3", ".inf", "-.inf", ".nan", "1e999", "0x1F", "0b1", "1_000", "9" * 400, "5%", "-0.0"),
    *("null", "~", "true", "no", "name", "grid", "label", "family", "space", "alpha", "tce", "ce", "training.epochs"),
    *("{grid: []}", "{grid: [1, 1]}", "{uniform: [0, 1]}", "{integer: [0, 3]}", "{loguniform: [0, 1]}", "{name: x}"),
    *("../..", "/etc/passwd", "~root", "\\x00", "\x07", "\ufeff", "\u2028", "ε", "\U0001f4a5", "\u202e", "é" * 300),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 0.5, -0.0, 1e-300, 1e300, 2**31, 2**63 - 1, 10**30, 5e-324),
    *(float("inf"), float("-inf"), float("nan"), "", " ", "0", "5%", "a.b", "a/b", "..", "../../x", "/", "~", "\x00"),
    *("x" * 5000, "ε\u202e", "line\nline", "[bold]", "{x}", "%s", "os:system", "os:path", "no_such:Loss", ":", "a:"),
    *([], {}, [[]], [{}], [None], {"": None}, {"a": {}}, {"name": None}, {"name": []}, {"name": "x", "y": 1}),
    *({"grid": []}, {"grid": [None]}, {"grid": [{}]}, {"grid": [1, 1]}, {"grid": list(range(3000))}, {"grid": 3}),
    *({"uniform": [0, 1]}, {"uniform": [1, 0]}, {"uniform": ["a", "b"]}, {"loguniform": [0, 1]}, {"integer": [0, 2]}),
    *(
        {"integer": [1, 10**12]},
        {"uniform": [0, 1e308]},
        {"uniform": [0]},
        {"uniform": {}},
        {"grid": [1], "a": 2},
    ),
    *({"integer": [0.5, 2]}, {"loguniform": [1e-320, 1e308]}, {"uniform": [-1e308, 1e308]}, {"grid": [[1], [2]]}),
)
WORDS = (
    *("name", "label", "family", "space", "path", "root", "kind", "rate", "grid", "lr", "epochs", "seed", "__class__"),
    *("training.epochs", "training.optimizer.lr", "training.batch_size", "training", "", " ", "0", "ε", "model_extra"),
)


def mutated_text(text: str, random: Random, others: tuple[str, ...] = ()) -> bytes:
    """A study file's text with something wrong in its words, its values or its bytes, or another file altogether."""
    kind = random.choices(("words", "values", "bytes", "bomb"), (4, 6, 1, 1))[0]
    if kind == "words":
        return _with_words_changed(text, random).encode("utf-8", "surrogatepass")
    if kind == "values":
        return to_text(mutated_values(_values(text), random, tuple(_values(other) for other in others))).encode()
    if kind == "bytes":
        return damaged(text.encode(), random)
    return random.choice(BOMBS)(text, random).encode()


def mutated_values(values: Any, random: Random, donors: tuple[Any, ...] = ()) -> Any:
    """Plain values of which some are replaced, removed, renamed, repeated, wrapped or taken from another place."""
    changed = copy.deepcopy(values)
    for _ in range(random.choices((1, 2, 3, 5), (8, 4, 2, 1))[0]):
        places = [path for path, _ in walk(changed) if path]
        if not places:
            return random.choice(VALUES)
        *above, last = random.choice(places)
        holder = changed
        for step in above:
            holder = holder[step]
        _change(holder, last, random, [each for donor in (changed, *donors) for each in walk(donor)])
    return changed


def mutated_assignment(values: Any, random: Random) -> str:
    """A `--set` for one of the file's values, or for what may lie below or beside it."""
    path = [str(part) for part in random.choice([path for path, _ in walk(values)]) or ("name",)]
    match random.randrange(6):
        case 0:
            path.append(random.choice((*WORDS, "0", "-1", "99", "²", "1e3")))
        case 1:
            path[random.randrange(len(path))] = random.choice((*WORDS, "0", "7", "-1"))
        case 2:
            path = path[: random.randrange(1, len(path) + 1)]
        case _:
            pass
    value = random.choice(SNIPPETS) if random.random() < 0.5 else flow(random.choice(VALUES))
    text = f"{'.'.join(path)}={value}"
    return _with_words_changed(text, random) if random.random() < 0.2 else text


def damaged(data: bytes, random: Random) -> bytes:
    """Bytes that were cut short, flipped, doubled, filled, emptied, written in another code or replaced by others."""
    match random.randrange(9):
        case 0:
            return data[: random.randrange(len(data) + 1)]
        case 1:
            changed = bytearray(data or b"\0")
            for _ in range(random.choice((1, 1, 3, 30))):
                changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
            return bytes(changed)
        case 2:
            return b""
        case 3:
            return random.randbytes(random.choice((1, 16, 4096)))
        case 4:
            start = random.randrange(len(data) + 1)
            return data[:start] + bytes(random.choice((1, 64, 4096))) + data[start + 64 :]
        case 5:
            return data + data
        case 6:
            return data + random.randbytes(64)
        case 7:
            return data.decode("utf-8", "replace").encode(random.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")))
        case _:
            return random.choice(FOREIGN)


def to_text(value: Any) -> str:
    """Any plain value as YAML; what YAML has no word for as its `repr`."""
    try:
        return to_yaml(value)
    except Exception:  # not a text that one can write
        return repr(value)


def flow(value: Any) -> str:
    """A plain value on one line, as one writes it on the command line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, float):
        return re.sub("(inf|nan)$", r".\1", repr(value))
    return (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
    )


def walk(value: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every place in nested mappings and lists, with what lies there."""
    yield path, value
    if isinstance(value, dict | list):
        for key, each in list(value.items()) if isinstance(value, dict) else enumerate(value):
            yield from walk(each, (*path, key))


def _change(holder: Any, place: Any, random: Random, found: list[tuple[Place, Any]]) -> None:
    match random.randrange(8):
        case 0 | 1 | 2:
            holder[place] = copy.deepcopy(random.choice(VALUES))
        case 3:
            del holder[place]
        case 4:
            holder[place] = copy.deepcopy(random.choice(found)[1])
        case 5:
            holder[place] = [copy.deepcopy(holder[place])] * random.choice((1, 2, 40))
        case 6 if isinstance(holder, dict):
            holder[random.choice(WORDS)] = holder.pop(place)
        case 6:
            holder.append(copy.deepcopy(holder[place]))
        case _:
            inside = holder[place] if isinstance(holder[place], dict) else holder if isinstance(holder, dict) else {}
            inside[random.choice(WORDS)] = copy.deepcopy(random.choice((*VALUES, random.choice(found)[1])))


def _with_words_changed(text: str, random: Random) -> str:
    for _ in range(random.randint(1, 4)):
        new = random.choice(SNIPPETS)
        kind = random.choice(("word", "word", "insert", "cut", "line", "swap", "indent"))
        if kind == "word" and (words := list(re.finditer(r"[\w.]+|[\[\]{}:,-]", text))):
            word = random.choice(words)
            text = text[: word.start()] + new + text[word.end() :]
        elif kind in ("insert", "word"):
            position = random.randint(0, len(text))
            text = text[:position] + new + text[position:]
        elif kind == "cut":
            start = random.randint(0, len(text))
            text = text[:start] + text[start + random.randint(1, 60) :]
        else:
            lines = text.split("\n")
            one, other = random.randrange(len(lines)), random.randrange(len(lines))
            if kind == "line":
                lines[one : one + 1] = random.choice(([], [lines[one]] * 2, [lines[one], new]))
            elif kind == "swap":
                lines[one], lines[other] = lines[other], lines[one]
            else:
                lines[one] = "  " + lines[one]
            text = "\n".join(lines)
    return text


@cache
def _values(text: str) -> Any:
    return parse_document(text, "a shipped study").values


def _laughs(text: str, random: Random) -> str:
    depth = random.randint(3, 40)
    bomb = "\n".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]" for i in range(depth))
    return f"a0: &a0 [ha]\n{bomb}\n{text}"


BOMBS: tuple[Callable[[str, Random], str], ...] = (
    _laughs,
    lambda text, random: f"{text}\nparameters: &a {{b: *a}}\n",
    lambda text, random: f"{text}\nfamilies: &a [*a, *a]\n",
    lambda text, random: text + "\nx: " + random.choice("[{(") * random.choice((20, 300, 20_000)),
    lambda text, random: text + "\nx: " + "[" * 200 + "]" * 200,
    lambda text, random: text + "\n" + "\n".join(f"{' ' * i}k:" for i in range(random.choice((30, 900)))),
    lambda text, random: text + "\nx: " + "9" * 10_000,
    lambda text, random: text + "\nx: " + "a" * 300_000,
    lambda text, random: text + "".join(f"\nk{i}: {i}" for i in range(3_000)),
    lambda text, random: f"--- \n{text}\n--- \n{text}",
    lambda text, random: f"%YAML {random.choice(('1.1', '1.3', '9.9', 'x'))}\n---\n{text}",
    lambda text, random: f"%TAG ! tag:x,2000:\n---\n!y\n{text}",
    lambda text, random: text.replace("\n", random.choice(("\r", "\r\n", "\x85", "\u2028", "\x00", " "))),
    lambda text, random: text.replace(":", random.choice((": &a", ": !!str", ": |", ": ?", "::", ":\t")), 3),
)
FOREIGN = (
    b"SQLite format 3\x00" + bytes(84),
    b"PK\x03\x04" + bytes(26),
    b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x05false\x94\x85\x94R\x94.",
    b"\x89PNG\r\n\x1a\n" + bytes(32),
    b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (9999999999,), }",
    b"\xff" * 8 + b"{}",
    b"null",
    b"[]",
    b"{}",
    b"[" * 50_000,
    b'{"a":' * 50_000,
    b"\x1f\x8b\x08\x00" + bytes(64),
)
