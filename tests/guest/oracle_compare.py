#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""oracle_compare.py NAME...: compares the list's keyrings of these names, and those in them, with the kernel's, key by
key and field by field; on standard input what `keyscribe keyrings --json` says. Run as root, in a session that possesses
the keyrings. Exit 1: they differ."""

import ctypes
import errno
import hashlib
import json
import sys

KEYCTL, DESCRIBE, READ = 250, 6, 11
KILLED = {errno.EKEYREVOKED: "revoked", errno.EKEYEXPIRED: "expired", errno.ENOKEY: "gone"}
NONE, OVERFLOW = 0xFFFFFFFF, 65534  # a persistent keyring has no group; keyctl(2) shows that so
libc = ctypes.CDLL(None, use_errno=True)


def ask(operation, serial):
    """What keyctl(2) says: bytes, or the errno."""
    size = 1 << 16
    while True:
        buffer = ctypes.create_string_buffer(size)
        got = libc.syscall(KEYCTL, operation, serial, buffer, size)
        if got < 0:
            return ctypes.get_errno()
        if got <= size:
            return buffer.raw[:got]
        size = got


def text(name):
    """As keyscribe has it in JSON; controller/list/RECORDS.md says how a long one is cut."""
    if len(name) > 255:
        name = name[:222] + b"\0" + hashlib.sha256(name).digest()
    try:
        return name.decode()
    except UnicodeDecodeError:
        return {"hex": name.hex()}


def describe(serial):
    """type, uid, gid, perm, description; or the errno."""
    said = ask(DESCRIBE, serial)
    if isinstance(said, int):
        return said
    kind, uid, gid, perm, name = said.rstrip(b"\0").split(b";", 4)
    return {
        "type": kind.decode(),
        "uid": int(uid),
        "gid": int(gid),
        "perm": perm.decode(),
        "description": text(name),
    }


def members(serial):
    said = ask(READ, serial)
    if isinstance(said, int):
        return said
    return {int.from_bytes(said[i : i + 4], sys.byteorder, signed=True) for i in range(0, len(said), 4)}


DEAD = {"revoked", "invalidated", "expired", "dead"}
differences = []


def compare_key(ring, key):
    """A key that stands in both."""
    marks = set(key["marks"])
    now = describe(key["serial"])
    if isinstance(now, int):
        if now == errno.EACCES:
            return
        # An invalidated key is none that could be asked for, nor one that the collector has taken.
        if not marks & DEAD and "negative" not in marks:
            differences.append(f"{ring}: {key['serial']} is {KILLED.get(now, now)}, the list says {sorted(marks)}")
        return
    if marks & {"revoked", "invalidated"}:
        differences.append(f"{ring}: {key['serial']} lives, the list says {sorted(marks)}")
    for field, value in now.items():
        if field in ("uid", "gid") and key[field] == NONE:
            value = NONE if value == OVERFLOW else value
        if key[field] != value:
            differences.append(f"{ring}: {key['serial']} {field} is {value}, the list says {key[field]}")


def compare(keyring):
    ring = f"{keyring['name']} ({keyring['serial']})"
    now = members(keyring["serial"])
    if isinstance(now, int):
        if now == errno.EACCES:
            return 0
        if not set(keyring["marks"]) & DEAD:
            differences.append(f"{ring}: is {KILLED.get(now, now)}, the list has {len(keyring['keys'])} keys in it")
        return 0
    told = {key["serial"]: key for key in keyring["keys"]}
    for serial, key in told.items():
        if serial in now:
            compare_key(ring, key)
        elif not set(key["marks"]) & DEAD:  # the collector takes dead ones out without a word
            differences.append(f"{ring}: the kernel does not have {serial} {key['type']} {key['description']}")
    for serial in now - told.keys():
        said = describe(serial)
        if not isinstance(said, int):
            differences.append(f"{ring}: the list does not have {serial} {said['type']} {said['description']}")
    return len(told)


def kernels(names):
    """Keyrings of these names, as /proc/keys has them: those that root may see."""
    found = {}
    with open("/proc/keys", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.split(None, 8)
            # A name may have a newline.
            if len(fields) < 9:
                continue
            serial, flags, _, _, _, _, _, kind, rest = fields
            name = rest.rsplit(":", 1)[0]
            if kind == "keyring" and name in names and "R" not in flags and "D" not in flags and "i" not in flags:
                found[int(serial, 16)] = name
    return found


def with_those_in_them(found):
    """Adds the keyrings that a search in these comes to: it goes six deep (KEYRING_SEARCH_MAX_DEPTH)."""
    level = set(found)
    for _ in range(6):
        inside = set()
        for ring in level:
            held = members(ring)
            inside |= held - found.keys() if isinstance(held, set) else set()
        level = set()
        for serial in inside:
            said = describe(serial)
            if isinstance(said, dict) and said["type"] == "keyring":
                found[serial] = said["description"]
                level.add(serial)
    return found


def main():
    names = set(sys.argv[1:])
    told = json.load(sys.stdin)["keyrings"]
    keys = sum(compare(ring) for ring in told)
    known = {ring["serial"] for ring in told}
    for serial, name in with_those_in_them(kernels(names)).items():
        if serial not in known and isinstance(describe(serial), dict):
            differences.append(f"{name} ({serial}): the list does not have this keyring")
    for sentence in differences[:40]:
        print(sentence)
    print(f"{len(told)} keyrings, {keys} keys, {len(differences)} differences")
    return 1 if differences else 0


sys.exit(main())
