"""Ways to damage a file, by what it holds."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from safetensors.torch import load, save

from .values import LONG, NASTY, changed_tree, nasty

Mutator = Callable[[bytes, random.Random], bytes]


def raw(content: bytes, rng: random.Random) -> bytes:  # noqa: C901 - one way of damage a branch
    """Bits, cuts and chunks, whatever the file is."""
    data = bytearray(content)
    size = len(data)
    if not size:
        return rng.randbytes(rng.choice((0, 1, 100)))
    begin, length = rng.randrange(size), rng.choice((1, 4, 16, 64, max(1, size // 4)))
    other = rng.randrange(size)
    what = rng.randrange(11)
    if what == 0:
        for _ in range(rng.choice((1, 2, 8, 64))):
            data[rng.randrange(size)] ^= 1 << rng.randrange(8)
    elif what == 1:
        del data[begin:]
    elif what == 2:
        data += rng.choice((b"\0", rng.randbytes(100), bytes(5000), bytes(data)))
    elif what == 3:
        data[begin : begin + length], data[other : other + length] = (
            data[other : other + length],
            data[begin : begin + length],
        )
    elif what == 4:
        data[begin:begin] = data[other : other + length]
    elif what == 5:
        data[begin : begin + length] = bytes(min(length, size - begin))
    elif what == 6:
        data[begin : begin + length] = rng.randbytes(min(length, size - begin))
    elif what == 7:
        del data[begin : begin + length]
    elif what == 8:
        data[begin : begin + 8] = rng.choice(
            (b"\xff" * 8, b"\x7f" * 8, struct.pack("<q", -1), struct.pack("<Q", 2**40))
        )
    elif what == 9:
        return rng.choice((b"", b"\0", b"\xff\xfe", b"PK\x03\x04", b"\x80\x04.", rng.randbytes(size), bytes(size)))
    else:
        head = rng.randrange(min(size, 256))
        data[head] = rng.randrange(256)
    return bytes(data)


def json_file(content: bytes, rng: random.Random) -> bytes:
    what = rng.random()
    text = content.decode()
    if what < 0.8:
        tree = changed_tree(json.loads(text), rng)
        with contextlib.suppress(ValueError, RecursionError):
            return json.dumps(tree).encode()
    numbers = list(re.finditer(r"(?<=[\s\[:,])-?\d+(\.\d+)?(e-?\d+)?(?=[\s\],}])", text))
    if what < 0.9 and numbers:
        spot = rng.choice(numbers)
        word = rng.choice(
            ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "00", "1_0", "'1'", "0x1", "-", "1." + "1" * 9000)
        )
        return (text[: spot.start()] + word + text[spot.end() :]).encode()
    pairs = list(re.finditer(r'"[^"\n]*": [^\n]*,\n', text))
    if pairs:
        spot = rng.choice(pairs)
        insert = rng.choice((spot[0], "\n", ",", "[" * 5000, "{" * 300, '"\\ud800": 1,', "\ufeff", "\0", "// no\n"))
        return (text[: spot.start()] + insert + text[spot.start() :]).encode()
    return raw(content, rng)


YAML_WORDS = (
    "!!bool maybe",
    "!!int x",
    "!!float ''",
    "!!timestamp 2020-13-45",
    "!!python/object:os.system x",
    "!!binary x",
    "!!set {x}",
    "2020-13-45",
    "2001-12-14t21:59:43.10-05:00",
    ".inf",
    "-.INF",
    ".nan",
    "1.0e+400",
    "0x_",
    "1:1:1:1",
    "9" * 5000,
    "-1",
    "1000000000000",
    "9223372036854775808",
    "yes",
    "~",
    "=",
    "<<",
    "&a [*a]",
    "*a",
    "[" * 3000,
    "{a: " * 200,
    "|",
    ">",
    "'",
    '"',
    '"\\0"',
    '"\\ud800"',
    "?",
    "- - -",
    "{}",
    "[]",
    "%",
    "@",
    "`",
    "\t",
    "\x1b[31m",
    '"\\x1b[31m"',
    "x" * 70_000,
)


def yaml_file(content: bytes, rng: random.Random) -> bytes:
    text, what = content.decode(), rng.random()
    if what < 0.5:
        tree = changed_tree(yaml.safe_load(text), rng)
        with contextlib.suppress(ValueError, RecursionError, yaml.YAMLError):
            return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode()
    lines = text.split("\n")
    spot = rng.randrange(len(lines))
    if what < 0.75:
        lines[spot] = re.sub(r"(:|-)( .*|$)", lambda part: f"{part[1]} {rng.choice(YAML_WORDS)}", lines[spot], count=1)
    elif what < 0.8:
        lines[spot] = re.sub(r"[\w.-]+(?=:)", lambda _: rng.choice(YAML_WORDS), lines[spot], count=1)
    elif what < 0.88:
        lines.insert(rng.randrange(len(lines)), lines[spot])
    elif what < 0.92:
        lines[spot] = rng.choice((" ", "  ", "\t", "- ", "? ")) + lines[spot]
    elif what < 0.96:
        bomb = ["b0: &b0 [x,x,x,x,x,x,x,x,x]", *(f"b{n}: &b{n} [{','.join([f'*b{n - 1}'] * 9)}]" for n in range(1, 9))]
        lines += bomb
    else:
        del lines[spot : spot + rng.choice((1, 5))]
    return "\n".join(lines).encode()


def csv_file(content: bytes, rng: random.Random) -> bytes:  # noqa: C901 - one way of damage a branch
    rows = list(csv.reader(io.StringIO(content.decode())))
    if not rows or not rows[0]:
        return raw(content, rng)
    row, column, what = rng.randrange(len(rows)), rng.randrange(len(rows[0])), rng.randrange(10)
    if what <= 3 and column < len(rows[row]):
        rows[row][column] = str(
            rng.choice((*NASTY, "\0", "\ud800".encode("utf-8", "surrogatepass"), "inf", "-inf", "1e999"))
        )
    elif what == 4:
        rows = [line[:column] + line[column + 1 :] for line in rows]
    elif what == 5:
        rows = [[*line, *line[column : column + 1]] for line in rows]
    elif what == 6:
        rows[row] = rng.choice(([], rows[row] * 2, rows[row][:1], [LONG] * len(rows[row])))
    elif what == 7:
        rows = rng.choice((rows[:1], rows[1:], rows[:2], rows + rows[1:], rows[::-1]))
    elif what == 8:
        rows[0][column] = rng.choice(("", rows[0][0], "path", "image_id", "\x1b[31m", LONG))
    text = io.StringIO()
    csv.writer(text, lineterminator=rng.choice(("\n", "\r\n", "\r"))).writerows(rows)
    made = text.getvalue().encode("utf-8", "replace")
    if what == 9:
        made = rng.choice(
            (
                b"\xef\xbb\xbf" + made,
                made.replace(b",", b";"),
                made.replace(b",", b"\t"),
                made.decode().encode("utf-16"),
                made.replace(b"\n", b'"\n', 1),
                b'"' + made,
                made + b"\xff",
            )
        )
    return made


def npy_file(content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3 or not content.startswith(b"\x93NUMPY\x01"):
        return raw(content, rng)
    length = struct.unpack("<H", content[8:10])[0]
    head, body = content[10 : 10 + length].decode("latin-1"), content[10 + length :]
    what = rng.randrange(6)
    if what <= 1:
        sides = re.findall(r"\d+", head[head.index("shape") :])
        spot = rng.choice(sides)
        word = rng.choice(("0", "-1", str(int(spot) + 1), "99999999999", str(2**63), "1.5", "'x'", "", "(1,)", "None"))
        start = head.index("shape")
        head = head[:start] + head[start:].replace(spot, word, 1)
    elif what == 2:
        head = re.sub(r"'descr': '[^']*'", f"'descr': {rng.choice(NUMBERS)}", head)
    elif what == 3:
        head = head.replace("False", rng.choice(("True", "1", "None", "'x'")))
    elif what == 4:
        head = rng.choice((head[:-20], head * 3, "(" * 5000, "{" * 500, "{}", "", "__import__('os')", "'x'" * 2000))
    else:
        body = raw(body, rng)
    data = head.encode("latin-1", "replace")
    return content[:8] + struct.pack("<H", len(data) % 65536) + data + body


NUMBERS = (
    "'|u1'",
    "'<u2'",
    "'>u2'",
    "'<f8'",
    "'|O'",
    "'<f4'",
    "'|V8'",
    "'x'",
    "[('a', '|u1')]",
    "'<U9'",
    "'<M8[s]'",
    "1",
    "'|u1,|u1'",
)


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place + 8 <= len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        found.append((kind, content[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def png_of(parts: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def png_file(content: bytes, rng: random.Random) -> bytes:  # noqa: C901 - one way of damage a branch
    """Chunks changed, their checksums right."""
    if rng.random() < 0.3 or not content.startswith(b"\x89PNG"):
        return raw(content, rng)
    parts = chunks(content)
    spot, what = rng.randrange(len(parts)), rng.randrange(7)
    kind, data = parts[spot]
    if what <= 2:
        width, height, *rest = struct.unpack(">IIBBBBB", parts[0][1])
        if rng.random() < 0.2:
            width = height = rng.choice((9_000, 30_000, 65_000))
        edit = rng.choice(
            (
                ("w", rng.choice((0, 1, 65_000, 2**20, 2**31 - 1, width + 1))),
                ("h", rng.choice((0, 1, 65_000, 2**20, 2**31 - 1, height + 1))),
                *((place, rng.choice((0, 1, 2, 3, 4, 6, 7, 8, 16, 255))) for place in range(5)),
            )
        )
        if edit[0] == "w":
            width = edit[1]
        elif edit[0] == "h":
            height = edit[1]
        else:
            rest[edit[0]] = edit[1]
        parts[0] = (b"IHDR", struct.pack(">IIBBBBB", width, height, *rest))
    elif what == 3:
        parts[spot] = (kind, raw(data, rng) if data else b"x")
    elif what == 4:
        parts = parts[:spot] + parts[spot + 1 :]
    elif what == 5:
        parts.insert(spot, rng.choice(parts))
    else:
        extra = rng.choice(
            (
                (b"tEXt", b"a\0" + b"x" * 10**5),
                (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7))),
                (b"PLTE", b"abc"),
                (b"tRNS", b"\0\0"),
                (b"iCCP", b"a\0\0" + zlib.compress(bytes(10**7))),
                (b"gAMA", b""),
                (b"eXIf", b"MM"),
                (b"IDAT", zlib.compress(bytes(10**7))),
                (b"acTL", struct.pack(">II", 2**31, 0)),
            )
        )
        parts.insert(rng.randrange(1, len(parts)), extra)
    return png_of(parts)


def dicom_file(content: bytes, rng: random.Random) -> bytes:
    """Tags deleted or set to what they cannot be."""
    if rng.random() < 0.3:
        return raw(content, rng)
    import pydicom

    film = pydicom.dcmread(io.BytesIO(content))
    numbers = (0, 1, -1, 2, 3, 7, 8, 9, 12, 16, 17, 32, 64, 255, 4095, 30_000, 65_535)
    texts = ("", "0", "nan", "inf", "1e400", "x", "-1", "1\\2\\3", "\x1b[31m", "9" * 64)
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(TAGS)
        try:
            if rng.random() < 0.2:
                delattr(film, name)
            elif name == "PixelData":
                film.PixelData = rng.choice((b"", b"\0", raw(film.PixelData, rng), film.PixelData * 2))
            else:
                setattr(film, name, rng.choice((*numbers, *texts)))
        except Exception:
            continue
    out = io.BytesIO()
    try:
        film.save_as(out)
    except Exception:
        return raw(content, rng)
    return out.getvalue()


TAGS = (
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
    "PixelData",
    "PhotometricInterpretation",
    "WindowCenter",
    "WindowWidth",
    "RescaleSlope",
    "RescaleIntercept",
    "NumberOfFrames",
    "PixelPaddingValue",
    "PatientID",
    "ViewPosition",
    "PatientAge",
    "PatientSex",
    "Modality",
    "VOILUTFunction",
    "PlanarConfiguration",
    "PixelSpacing",
    "WindowCenterWidthExplanation",
    "SOPClassUID",
    "LossyImageCompression",
)


def tensors_file(content: bytes, rng: random.Random) -> bytes:
    """Tensors of another shape, kind or content; or a header of another size."""
    what = rng.random()
    if what < 0.3:
        return raw(content, rng)
    if what < 0.5:
        length = struct.unpack("<Q", content[:8])[0]
        head = json_file(content[8 : 8 + length].rstrip(), rng)
        size = rng.choice((len(head), len(head), 2**40, 0))
        return struct.pack("<Q", size) + head + content[8 + length :]
    state = load(content)
    name = rng.choice(sorted(state))
    value = state[name]
    change = rng.choice(
        (
            lambda: value * float("nan") if value.is_floating_point() else value,
            lambda: value.flatten()[:1].clone(),
            lambda: value[:0].clone() if value.ndim else value.reshape(1),
            lambda: torch.zeros(3, 3),
            lambda: value.to(torch.int64),
            lambda: value.double(),
            lambda: -value if value.dtype != torch.bool else value,
            lambda: torch.zeros_like(value),
            lambda: value.unsqueeze(0).clone(),
            lambda: torch.full_like(value, 10**6),
            lambda: value.half(),
            lambda: None,
            lambda: value * float("inf") if value.is_floating_point() else value,
            lambda: torch.zeros(0),
        )
    )
    made = change()
    state.pop(name)
    if made is not None:
        state[rng.choice((name, name, name, f"{name}x", "x/y", ""))] = made.contiguous()
    return save(state)


def parquet_file(content: bytes, rng: random.Random) -> bytes:  # noqa: C901 - one way of damage a branch
    """A table changed by hand, or its bytes."""
    if rng.random() < 0.4:
        return raw(content, rng)
    frame = pd.read_parquet(io.BytesIO(content))
    name, what = rng.choice(list(frame)), rng.randrange(8)
    if what == 0:
        frame = frame.drop(columns=name)
    elif what == 1:
        frame = frame.iloc[: rng.choice((0, 1, len(frame) // 2))]
    elif what == 2:
        frame[name] = str(nasty(rng))[:1000]
    elif what == 3:
        frame[name] = None
    elif what == 4:
        frame[name] = np.arange(len(frame)) - 3
    elif what == 5:
        frame = frame.rename(columns={name: rng.choice(("", "x", "\x1b"))})
    elif what == 6:
        frame = pd.concat([frame, frame])
    else:
        frame = frame.sample(frac=1, random_state=rng.randrange(1000))
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()


def archive(content: bytes, rng: random.Random) -> bytes:
    """A member of a ZIP archive changed as files of its kind are, left out, doubled or called otherwise."""
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        members = [(info, opened.read(info)) for info in opened.infolist()]
    place, what = rng.randrange(len(members)), rng.randrange(10)
    info, inside = members[place]
    if what == 0:
        del members[place]
    elif what == 1:
        members.append((zipfile.ZipInfo(rng.choice((info.filename, "../x", "/x", ".", "a\\b", "\x1b.png"))), inside))
    elif what == 2:
        info.filename = rng.choice(("", ".", "x", f"../{info.filename}", info.filename.upper()))
    else:
        how: Mutator = BY_ENDING.get(Path(info.filename).suffix, raw)
        members[place] = info, how(inside, rng)
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w") as opened:
        warnings.simplefilter("ignore")  # of a name that stands twice
        for member, data in members:
            opened.writestr(member, data)
    return made.getvalue()


def lines_file(content: bytes, rng: random.Random) -> bytes:
    """One line of a file of JSON lines changed."""
    lines = content.splitlines()
    place = rng.randrange(len(lines))
    lines[place] = json_file(lines[place], rng)
    return b"\n".join(lines) + b"\n"


BY_ENDING: dict[str, Mutator] = {
    ".jsonl": lines_file,
    **dict.fromkeys((".zip", ".npz", ".pt2", ".ts", ".keras"), archive),
    ".json": json_file,
    ".yaml": yaml_file,
    ".csv": csv_file,
    ".npy": npy_file,
    ".png": png_file,
    ".dcm": dicom_file,
    ".safetensors": tensors_file,
    ".parquet": parquet_file,
}


def damage(path: Path, rng: random.Random) -> str:
    """Damage a file in place and say how."""
    content = path.read_bytes()
    how: Mutator = raw if rng.random() < 0.2 else BY_ENDING.get(path.suffix, raw)
    try:
        path.write_bytes(how(content, rng))
    except (ValueError, LookupError, TypeError, OverflowError, struct.error, RuntimeError, AttributeError):
        path.write_bytes(raw(content, rng))  # this one cannot be written down
        how = raw
    return how.__name__
