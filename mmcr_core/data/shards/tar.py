"""What lies where in a tar, from its headers alone, with a checksum that is cheap and still sees another content.

Understood are the formats that webdataset, Python and GNU tar write: v7, ustar, GNU's long names, pax records, sizes
in base 256, hard links to earlier members. The checksum is the SHA-256 of the file's size and, for each header, of
that block and the 1,024 bytes in front of it: the end of the member before, where pictures of equal size differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

BLOCK = 512
TAIL = 1024
EMPTY = bytes(BLOCK)
PIECE = 1 << 20  # read at a time behind the end
FILES = b"0\0" + b"7"
LINKS = b"12"
OLD_SPARSE = b"S"
WITHOUT_DATA = b"123456"  # links, devices, folders, whatever their size says
PACKED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstandard"}


class Member(NamedTuple):
    """A file in a tar: its name, where its bytes begin, and how many they are."""

    name: str
    offset: int
    size: int


class Walked(NamedTuple):
    """Members before the end or the first damage, which `damage` names (None: there is none); `archives`: tars that
    were written one after another into the file; `unread`: bytes behind the last one that are no tar; `links`: names
    of symbolic links, and of hard links to what is not in the tar, which hold nothing; `sparse`: names of files that
    are stored without their holes."""

    members: list[Member]
    checksum: str
    damage: str | None
    archives: int = 1
    unread: int = 0
    links: tuple[str, ...] = ()
    sparse: tuple[str, ...] = ()


def packing(start: bytes) -> str | None:
    """What a file that starts with these bytes is compressed with, if it is."""
    return next((name for magic, name in PACKED.items() if start.startswith(magic)), None)


def walk(read: Callable[[int, int], bytes], size: int) -> Walked:
    """The members of a tar of `size` bytes, of which `read(offset, count)` gives some, fewer at the end."""
    digest = hashlib.sha256(str(size).encode())
    members: list[Member] = []
    places: dict[str, Member] = {}
    links: list[str] = []
    sparse: list[str] = []
    long_name = long_link = long_size = sparse_name = None
    offset, damage, archives, unread = 0, None, 1, 0
    while True:
        before = max(0, offset - TAIL)
        piece = read(before, offset - before + BLOCK)
        digest.update(piece)
        header = piece[offset - before :]
        if not header and members and offset == size:
            damage = "has no empty blocks at its end, as one that is cut off"
            break
        if header == EMPTY:
            offset = _after_end(read, offset, size)
            if offset == size:
                break
            if not _is_whole(read(offset, BLOCK)):
                unread = size - offset
                break
            archives += 1
            long_name = long_link = long_size = sparse_name = None
            continue
        if not _is_whole(header):
            damage = f"is cut off or damaged from byte {offset:,} on"
            break
        kind, name = header[156:157], long_name or _name(header)
        length = _number(header[124:136]) if long_size is None else long_size
        length = 0 if kind in WITHOUT_DATA else length
        data = offset + BLOCK
        if kind == OLD_SPARSE:
            data, sparse_name = _after_map(read, header, data), name
        offset = data + -(-length // BLOCK) * BLOCK
        if length < 0 or data + length > size:
            damage = f"is cut off within '{name}'"
            break
        if kind in (b"L", b"K", b"x"):
            content = read(data, length)
            if kind == b"L":
                long_name = _text(content)
            elif kind == b"K":
                long_link = _text(content)
            else:
                records = _pax(content)
                long_name, long_link = records.get("path", long_name), records.get("linkpath", long_link)
                long_size = int(records["size"]) if records.get("size", "").isdigit() else long_size
                if any(key.startswith("GNU.sparse.") for key in records):
                    sparse_name = records.get("GNU.sparse.name", long_name or "")
            continue
        if sparse_name is not None:
            sparse.append(sparse_name or name)
        elif kind in FILES and not name.endswith("/"):
            members.append(Member(name, data, length))
            places[name] = members[-1]
        elif kind == b"1" and (target := places.get(long_link or _text(header[157:257]))):
            members.append(Member(name, target.offset, target.size))
        elif kind in LINKS:
            links.append(name)
        if kind != b"g":
            long_name = long_link = long_size = sparse_name = None
    return Walked(members, digest.hexdigest(), damage, archives, unread, tuple(links), tuple(sparse))


def _after_map(read: Callable[[int, int], bytes], header: bytes, offset: int) -> int:
    """Where the data of a sparse file begins whose header ends at `offset`: behind the blocks that go on with its
    map."""
    more = header[482:483]
    while more.strip(b"\0"):
        more, offset = read(offset, BLOCK)[504:505], offset + BLOCK
    return offset


def _after_end(read: Callable[[int, int], bytes], offset: int, size: int) -> int:
    """Where something follows the empty blocks that end a tar at `offset`; `size` where nothing does."""
    while offset < size:
        piece = read(offset, PIECE)
        if found := len(piece) - len(piece.lstrip(b"\0")):
            offset += found // BLOCK * BLOCK
        if found < len(piece) or not piece:
            return offset if piece else size
    return size


def _is_whole(header: bytes) -> bool:
    """Whether a header has the checksum that it says."""
    if len(header) < BLOCK:
        return False
    said = header[148:156].strip(b" \0")
    try:
        return int(said, 8) == sum(header) - sum(header[148:156]) + 8 * ord(" ")
    except ValueError:
        return False


def _name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _number(field: bytes) -> int:
    """Octal digits, or base 256 after a first byte of 0x80. -1 where it is neither."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        return -1


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _pax(content: bytes) -> dict[str, str]:
    """Records `LENGTH KEY=VALUE` of an extended header; what is not one ends them."""
    records = {}
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(content):
            break
        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        content = content[int(length) :]
    return records
