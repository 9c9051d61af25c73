#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""check_list.py LIST [--from BYTE] [--created FILE] [PROCESS COUNT]...: what the list says of a keyload.

--from: the load began at that byte of the list. --created: and what it says of other keys: the
descriptions in keyscribe:create records are the lines of FILE, each once and in that order. Reads IMA's binary list, unfolds keyscribe:batch
entries, replays the list in every bank and compares it with the TPM (as the kernel reads it), and looks
at each process's payloads: every number from 0 to COUNT-1 exactly once and in order, none beyond. Prints
"name value" lines; independent of keyscribe's code. "bare" are records that say that the ring had no
room for their payload. Exits 0 if the replay equals the PCR in every bank and nothing is missing that
no bare record, keyscribe:loss, keyscribe:drop or keyscribe:missed accounts for, twice, out of order,
or made up.

It runs often where each start of a process is slow, so it imports little (-IS: not even site)."""
import hashlib
import os
import struct
import sys

TPM = "/sys/class/tpm/tpm0"


def entries(data):
    at = 0
    while at < len(data):
        pcr, = struct.unpack_from("<I", data, at)
        size, = struct.unpack_from("<I", data, at + 24)
        name = data[at + 28:at + 28 + size]
        at += 28 + size
        size, = struct.unpack_from("<I", data, at)
        yield pcr, name, data[at + 4:at + 4 + size]
        at += 4 + size
    assert at == len(data), "the list ends in the middle of an entry"


def fields(template_data):
    at, found = 0, []
    while at < len(template_data):
        size, = struct.unpack_from("<I", template_data, at)
        found.append(template_data[at + 4:at + 4 + size])
        at += 4 + size
    return found


def cbor(data, at=0):
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info >= 24:
        size = 1 << (info - 24)
        info = int.from_bytes(data[at:at + size], "big")
        at += size
    if major == 0:
        return info, at
    if major == 1:
        return -1 - info, at
    if major in (2, 3):
        value = data[at:at + info]
        return (value if major == 2 else value.decode()), at + info
    if major == 4:
        values = []
        for _ in range(info):
            value, at = cbor(data, at)
            values.append(value)
        return values, at
    if major == 5:
        values = {}
        for _ in range(info):
            key, at = cbor(data, at)
            values[key], at = cbor(data, at)
        return values, at
    return {20: False, 21: True, 22: None}[info], at


def unfolded(data):
    for pcr, name, template_data in entries(data):
        parts = fields(template_data)
        if name == b"ima-buf" and parts[1] == b"keyscribe:batch\0":
            for entry_name, buf in cbor(parts[2])[0]["entries"]:
                yield entry_name, buf
        elif name == b"ima-buf":
            yield parts[1][:-1], parts[2]


def pcr_values(number):
    banks = {}
    for name in os.listdir(TPM):
        if name.startswith("pcr-"):
            with open(f"{TPM}/{name}/{number}") as file:
                banks[name[4:]] = file.read().strip().lower()
    return banks


def replay(data, number, banks):
    value = {bank: bytes(hashlib.new(bank).digest_size) for bank in banks}
    for pcr, name, template_data in entries(data):
        if pcr != number:
            continue
        parts = fields(template_data)
        if name == b"ima-buf" and parts[1] == b"keyscribe:foreign\0":
            # Somebody else extended the PCR: it had these values before the entry.
            value |= {bank: told for bank, told in cbor(parts[2])[0]["values"].items() if bank in value}
        for bank in value:
            digest = hashlib.new(bank, template_data).digest()
            value[bank] = hashlib.new(bank, value[bank] + digest).digest()
    return {bank: value[bank].hex() == banks[bank] for bank in banks}


def descriptions(data):
    """Of the keys that were created, but for a load's."""
    for name, buf in unfolded(data):
        if name == b"keyscribe:create":
            description = cbor(buf)[0]["description"]
            description = description.encode() if isinstance(description, str) else description
            if not description.startswith(b"load "):
                yield description


def main():
    data = open(sys.argv[1], "rb").read()
    arguments = sys.argv[2:]
    begin = 0
    if arguments[:1] == ["--from"]:
        begin = int(arguments[1])
        arguments = arguments[2:]
    created = None
    if arguments[:1] == ["--created"]:
        created = open(arguments[1], "rb").read().splitlines()
        arguments = arguments[2:]
    wanted = {int(p): int(c) for p, c in zip(arguments[::2], arguments[1::2])}
    good = True
    banks = replay(data, 13, pcr_values(13))
    if not all(banks.values()):
        # The kernel can destroy a key, which is an event, at any time: the list may have grown between
        # the two. Once the daemon is idle they agree, or never.
        os.system("keyscribe wait idle --timeout 30")
        data = open(sys.argv[1], "rb").read()
        banks = replay(data, 13, pcr_values(13))
    print("banks", " ".join(f"{bank}={'equal' if same else 'DIFFERENT'}" for bank, same in banks.items()))
    good &= bool(banks) and all(banks.values())

    if created is not None:
        found = list(descriptions(data))
        wrong = [f"{a} where {b} should be" for a, b in zip(found, created) if a != b][:1]
        print("created", f"{len(found)} of {len(created)}", *wrong)
        good &= found == created

    kinds, seen, accounted, bare = {}, {}, 0, 0
    batched = sum(1 for _ in entries(data[begin:]))
    for name, buf in unfolded(data[begin:]):
        kind = name.decode(errors="replace") if name.startswith(b"keyscribe:") else "plain"
        kinds[kind] = kinds.get(kind, 0) + 1
        if name in (b"keyscribe:loss", b"keyscribe:drop", b"keyscribe:missed"):
            accounted += cbor(buf)[0]["count"]
        elif name in (b"keyscribe:create", b"keyscribe:update"):
            bare += cbor(buf)[0].get("withheld") == "no room"
        if kind == "plain":
            words = buf.split(b" ", 2)
            if len(words) == 3 and words[0].isdigit() and words[1].isdigit():
                seen.setdefault(int(words[0]), []).append(int(words[1]))
    print("entries", batched)
    for kind, count in sorted(kinds.items()):
        print(kind, count)
    received = missing = twice = disordered = made_up = 0
    for process in set(wanted) | set(seen):
        numbers, count = seen.get(process, []), wanted.get(process, 0)
        received += len(numbers)
        missing += count - len(set(n for n in numbers if n < count))
        twice += len(numbers) - len(set(numbers))
        disordered += sum(1 for a, b in zip(numbers, numbers[1:]) if b < a)
        made_up += sum(1 for n in numbers if n >= count)
    issued = sum(wanted.values())
    for what in ("issued", "received", "bare", "missing", "accounted", "twice", "disordered", "made_up"):
        print(what, locals()[what])
    good &= twice == disordered == made_up == 0 and missing <= accounted + bare
    sys.exit(0 if good else 1)


main()
