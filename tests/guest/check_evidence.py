#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""check_evidence.py [--kept EARLIER] EVIDENCE NONCE AK.pem: evidence by another program.

Written from controller/evidence/EVIDENCE.md and the documents that it names, with nothing of
keyscribe's code: reads the file (CBOR or JSON), has openssl verify each quote's signature, and
replays the lists. --kept: evidence of the same boot with the entries before. Prints what it found;
exits 1 with a sentence where anything does not hold."""
import base64
import hashlib
import json
import re
import struct
import subprocess
import sys
import tempfile

HASHES = {0x0004: "sha1", 0x000b: "sha256", 0x000c: "sha384", 0x000d: "sha512"}
RSASSA, RSAPSS, ECDSA = 0x0014, 0x0016, 0x0018


def demand(condition, sentence):
    if not condition:
        sys.exit(f"check_evidence.py: {sentence}")


# RFC 8949, 4.2.1
def cbor(data, at=0):
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if 24 <= info <= 27:
        size = 1 << (info - 24)
        least = 24 if size == 1 else 1 << (4 * size)
        info = int.from_bytes(data[at:at + size], "big")
        at += size
        demand(info >= least, "CBOR: a number is not in its shortest form")
    demand(info < 24 or at <= len(data), "CBOR: cut short")
    if major == 0:
        return info, at
    if major in (2, 3):
        demand(info <= len(data) - at, "CBOR: cut short")
        value = data[at:at + info]
        return (value if major == 2 else value.decode()), at + info
    if major == 4:
        values = []
        for _ in range(info):
            value, at = cbor(data, at)
            values.append(value)
        return values, at
    demand(major == 5, f"CBOR: major type {major} is not used")
    values, before = {}, b""
    for _ in range(info):
        begin = at
        key, at = cbor(data, at)
        demand(data[begin:at] > before, "CBOR: a map's keys are not in order")
        before = data[begin:at]
        values[key], at = cbor(data, at)
    return values, at


# "The file", in CDDL: a member's type, or a function of it. "?" before a name: it may be absent.
TEXT = re.compile(r"[ -~]{1,256}\Z")


def text(value):
    demand(isinstance(value, str) and TEXT.match(value), "not a text")
    return value


def uint(value):
    demand(isinstance(value, int) and not isinstance(value, bool) and value >= 0, "not a uint")
    return value


def sized(least, most, from_json):
    def check(value):
        if from_json:
            value = base64.b64decode(value, validate=True)
        demand(isinstance(value, bytes) and least <= len(value) <= most, "a byte string's size")
        return value
    return check


def exactly(wanted):
    def check(value):
        demand(value == wanted, f"not {wanted!r}")
        return value
    return check


def members(value, **shape):
    demand(isinstance(value, dict), "not a map")
    found = {}
    for name, check in shape.items():
        optional, name = name.startswith("_"), name.lstrip("_")
        demand(optional or name in value, f"{name} is missing")
        if name in value:
            found[name] = check(value[name])
    demand(len(found) == len(value), f"unknown members: {set(value) - set(found)}")
    return found


def evidence(data):
    from_json = data[:1] == b"{"
    if from_json:
        value = json.loads(data)
    else:
        value, end = cbor(data)
        demand(end == len(data), "bytes behind the evidence")
    structure = sized(1, 8192, from_json)
    data_string = sized(0, len(data), from_json)

    def bank(name):
        demand(name in HASHES.values(), f"no bank: {name}")
        return name

    def pcr_number(number):
        demand(uint(number) < 24, "not a PCR")
        return number

    def pcrs(value):
        demand(1 <= len(value) <= 4, "PCRs of no bank, or of too many")
        found = {}
        for name, values in value.items():
            size = hashlib.new(bank(name)).digest_size
            demand(1 <= len(values) <= 24, "a bank without PCRs")
            found[name] = {pcr_number(int(pcr)): sized(size, size, from_json)(digest)
                           for pcr, digest in values.items()}
        return found

    def quotes(values):
        demand(1 <= len(values) <= 8, "no quote, or too many")
        return [members(each, attest=structure, signature=structure, pcrs=pcrs) for each in values]

    def the_list(value):
        return members(value, entries=uint, offset=uint, from_entry=uint, data=data_string)

    def ima(value):
        return members(value, algorithm=bank, entries=uint, data=data_string, _offset=uint, _from_entry=uint)

    def firmware(value):
        variable = sized(1, 1 << 19, from_json)
        return members(value, log=sized(1, 1 << 20, from_json), _mok_list=variable, _mok_list_x=variable,
                       _mok_list_trusted=variable)

    return members(value, format=exactly("keyscribe-evidence"), version=exactly(1), software=text,
                   boot_id=text, kernel=text, time=uint, boot_time=uint, ak=structure,
                   _ak_name=structure, _ek_certificate=sized(1, 65536, from_json), pcr=pcr_number,
                   quotes=quotes, list=the_list, _ima=ima, _firmware=firmware)


class Reader:
    """TPM structures: big-endian, a TPM2B with its size (u16) before it."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        demand(size <= len(self.data) - self.at, "a TPM structure is cut short")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def tpm2b(self):
        return self.take(self.number(2))

    def end(self):
        demand(self.at == len(self.data), "bytes behind a TPM structure")


def der_integer(value):
    value = value.lstrip(b"\0") or b"\0"
    if value[0] & 0x80:
        value = b"\0" + value
    return bytes([2, len(value)]) + value


def verify(quote, ak_pem):
    """By the attestation key; the name of the signature's hash."""
    reader = Reader(quote["signature"])
    scheme, digest = reader.number(2), HASHES.get(reader.number(2))
    demand(digest not in (None, "sha1"), "a signature's hash")
    options = []
    if scheme == ECDSA:
        both = der_integer(reader.tpm2b()) + der_integer(reader.tpm2b())
        signature = b"\x30" + (bytes([len(both)]) if len(both) < 128 else bytes([0x81, len(both)])) + both
    else:
        demand(scheme in (RSASSA, RSAPSS), f"signature scheme {scheme:#x}")
        signature = reader.tpm2b()
        if scheme == RSAPSS:
            options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:auto"]
    reader.end()
    with tempfile.NamedTemporaryFile() as file:
        file.write(signature)
        file.flush()
        done = subprocess.run(["openssl", "dgst", f"-{digest}", "-verify", ak_pem, "-signature", file.name, *options],
                              input=quote["attest"], capture_output=True, check=False)
    demand(done.returncode == 0, "a quote that the attestation key did not sign")
    return digest


def attest(quote, nonce, digest):
    reader = Reader(quote["attest"])
    demand(reader.number(4) == 0xff544347, "not made by a TPM")
    demand(reader.number(2) == 0x8018, "not a quote")
    reader.tpm2b()
    demand(reader.tpm2b() == nonce, "over another nonce")
    reader.take(8)
    boot = reader.number(4), reader.number(4)
    reader.take(1 + 8)
    values, selected = b"", {}
    for _ in range(reader.number(4)):
        bank = HASHES.get(reader.number(2))
        bits = int.from_bytes(reader.take(reader.number(1)), "little")
        for pcr in range(24):
            if bits >> pcr & 1:
                demand(pcr in quote["pcrs"].get(bank, {}), "a quoted PCR has no value")
                selected.setdefault(bank, {})[pcr] = quote["pcrs"][bank][pcr]
                values += quote["pcrs"][bank][pcr]
    demand(selected == quote["pcrs"], "values of PCRs that are not quoted")
    demand(reader.tpm2b() == hashlib.new(digest, values).digest(), "other values than the quoted ones")
    reader.end()
    return boot


def entries(data, size=20):
    at = 0
    while at < len(data):
        pcr, = struct.unpack_from("<I", data, at)
        stored = data[at + 4:at + 4 + size]
        length, = struct.unpack_from("<I", data, at + 4 + size)
        at += 8 + size + length
        name = data[at - length:at]
        length, = struct.unpack_from("<I", data, at)
        at += 4 + length
        demand(at <= len(data), "the list ends in the middle of an entry")
        yield pcr, stored, name, data[at - length:at]


def fields(template_data):
    reader, found = memoryview(template_data), []
    while reader:
        size, = struct.unpack_from("<I", reader)
        found.append(bytes(reader[4:4 + size]))
        reader = reader[4 + size:]
    return found


def replay(data, number, values, stored_by="sha1"):
    """values: bank to value, changed in place; gives the number of entries."""
    count = 0
    for pcr, stored, name, template_data in entries(data, hashlib.new(stored_by).digest_size):
        count += 1
        violation = not any(stored)
        demand(violation or stored == hashlib.new(stored_by, template_data).digest(), "a template digest")
        if name == b"ima-buf":
            digest, n_ng, buf = fields(template_data)
            demand(digest == b"sha256:\0" + hashlib.sha256(buf).digest() or not digest.startswith(b"sha256:"),
                   "a payload's digest")
            if n_ng == b"keyscribe:foreign\0" and pcr == number:
                values.update({bank: value for bank, value in cbor(buf)[0]["values"].items() if bank in values})
        if pcr == number:
            for bank, value in values.items():
                digest = hashlib.new(bank, template_data).digest()
                if violation:
                    digest = b"\xff" * len(digest)
                values[bank] = hashlib.new(bank, value + digest).digest()
    return count


def zeros(banks):
    return {bank: bytes(hashlib.new(bank).digest_size) for bank in banks}


def main():
    arguments = sys.argv[1:]
    kept = None
    if arguments[0] == "--kept":
        kept = evidence(open(arguments[1], "rb").read())["list"]
        arguments = arguments[2:]
    found = evidence(open(arguments[0], "rb").read())
    nonce, ak_pem = bytes.fromhex(arguments[1]), arguments[2]
    boots = {attest(quote, nonce, verify(quote, ak_pem)) for quote in found["quotes"]}
    demand(len(boots) == 1, "quotes of different boots")
    if "ak_name" in found:
        name_alg = HASHES[int.from_bytes(found["ak_name"][:2], "big")]
        demand(found["ak_name"][2:] == hashlib.new(name_alg, found["ak"]).digest(), "the key's name")

    first, the_list, pcr = found["quotes"][0]["pcrs"], found["list"], found["pcr"]
    demand(all(set(values) == {pcr} for values in first.values()), "the first quote is over other PCRs")
    values = zeros(first)
    if the_list["from_entry"] or the_list["offset"]:
        demand(kept and (kept["entries"], len(kept["data"])) == (the_list["from_entry"], the_list["offset"]),
               "what came before is not known")
        replay(kept["data"], pcr, values)
    count = the_list["from_entry"] + replay(the_list["data"], pcr, values)
    demand(count == the_list["entries"], "another number of entries")
    demand(all(values[bank] == first[bank][pcr] for bank in first), "the list does not give the quoted PCR")
    print(f"{count} entries, {len(found['quotes'])} quotes, banks {' '.join(sorted(first))}")

    if "ima" in found:
        quoted = {bank: pcrs[10] for quote in found["quotes"][1:] for bank, pcrs in quote["pcrs"].items() if 10 in pcrs}
        values = zeros(quoted)
        count = replay(found["ima"]["data"], 10, values, found["ima"]["algorithm"])
        demand(count == found["ima"]["entries"], "another number of the kernel's entries")
        demand("sha256" in quoted and values["sha256"] == quoted["sha256"], "the kernel's list does not give PCR 10")
        print(f"{count} entries of the kernel's")


main()
