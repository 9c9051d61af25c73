// SPDX-License-Identifier: Apache-2.0
// A record of the list (RECORDS.md), taken apart: one typed view for each kind. Nothing else reads
// a record's members.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "bpf/event.h"
#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::list {

/// What an entry's name begins with where it is a record; else it is a keyring's name, and the
/// entry a key's payload.
inline constexpr std::string_view kRecordPrefix = "keyscribe:";

/// "keyscribe:KIND".
std::string record_name(std::string_view kind);
/// The KIND of "keyscribe:KIND"; nothing: the name of a plain entry.
std::optional<std::string_view> record_kind(std::string_view name);

inline constexpr std::string_view kBatch = "batch";      ///< unfold.h takes these apart
inline constexpr std::string_view kForeign = "foreign";  ///< a replay goes on from its values

/// How a link between a keyring and a key began or ended.
enum class Operation : std::uint8_t {
#define KS_OPERATION_ENUMERATOR(upper, camel, name, properties) k##camel = KS_OP_##upper,
    KS_OPERATIONS(KS_OPERATION_ENUMERATOR)
#undef KS_OPERATION_ENUMERATOR
        kBaseline = KS_OP_BASELINE,  ///< a baseline tells of it
    kPayload,                        ///< a plain entry of which no record says whose it is
};

/// "create", ..., "baseline", "plain".
std::string_view name_of(Operation operation);

/// Whether the operation has the property, one of enum ks_property.
constexpr bool has(Operation operation, ks_property property) {
    return ((ks_operations_with(property) >> static_cast<unsigned>(operation)) & 1) != 0;
}

/// What a key can be, as bits.
enum Mark : std::uint8_t {
    kRevoked = 1,
    kInvalidated = 2,
    kDead = 4,               ///< its type is gone
    kNegative = 8,           ///< a search that finds it fails
    kDestroyed = 16,         ///< never in a record
    kUnderConstruction = 32  ///< it has no payload yet
};

/// A keyring as a record names it.
struct KeyringName {
    std::int32_t serial = 0;           ///< 0: none is known
    std::string_view name;             ///< any bytes but NUL
    std::optional<std::uint32_t> uid;  ///< its owner, in the first user namespace
    bool rule = false;                 ///< baseline-begin: a rule names it
};

/// Who did it.
struct ActorView {
    std::uint32_t pid = 0, uid = 0, euid = 0, login_uid = UINT32_MAX;
    std::string_view comm, exe, kind;  ///< kind: "process", "kernel thread", "module loading"
};

/// A key, after the operation or as the baseline found it.
struct KeyFacts {
    std::uint64_t time = 0;   ///< CLOCK_BOOTTIME in ns
    std::int32_t serial = 0;  ///< of clear and restrict: the keyring's
    std::string_view type, description;
    KeyringName keyring;
    std::uint32_t uid = 0, gid = 0, perm = 0;
    std::int64_t expiry = 0;     ///< seconds since 1970; 0: never
    Bytes public_key;            ///< subjectPublicKey's bytes
    std::string_view algorithm;  ///< the kernel's name for public_key's
    std::vector<Bytes> ids;      ///< of public_key: what certificates name their signer by
};

/// An entry that is a key's payload. The record behind it says whose.
struct Payload {
    std::string_view keyring;      ///< as ima_event_name() writes it
    Bytes bytes;                   ///< the payload
    std::optional<Sha256> digest;  ///< of bytes, where the reader knows it already
};

/// An operation on a key, in one of the keyrings that it concerns.
struct Event {
    Operation operation = Operation::kCreate;
    std::uint64_t sequence = 0;
    KeyFacts key;
    KeyringName from;              ///< move: the keyring that the key left
    bool plain = false;            ///< the plain entry before this one has the payload
    std::optional<Sha256> sha256;  ///< of the payload
    std::string_view withheld;     ///< why the payload is not there
    std::uint8_t marks = 0;        ///< Mark bits: what the key, which stands there now, was then
    std::int32_t error = 0;        ///< reject: a positive errno
    std::optional<std::string_view> restriction;
    std::optional<ActorView> actor;
};

/// The TPM that is extended.
struct TpmFacts {
    std::vector<Algorithm> banks;
    std::vector<std::string> left_alone;  ///< banks that are not extended, as "sm3_256"
    std::uint32_t resets = 0;             ///< TPMS_CLOCK_INFO.resetCount
    bool operator==(const TpmFacts&) const = default;
};

/// keyscribe:start, keyscribe:restart or keyscribe:kexec.
struct Start {
    bool again = false;         ///< restart, kexec
    bool kexec = false;         ///< in another kernel: no key of before is there any more
    std::uint64_t entries = 0;  ///< restart, kexec: in the list before this one
    std::string_view version, kernel, boot_id;
    Bytes controller, bpf;        ///< SHA-256 of the daemon and of the BPF object
    std::optional<TpmFacts> tpm;  ///< nothing: a list of an early build
};

struct PolicyFile {
    std::string_view name, text;
};
/// What identifies a policy: SHA-256 over, for each file in order, the 32-bit little-endian length
/// of its name, the name, the 32-bit little-endian length of its text, the text.
Digest policy_digest(std::span<const PolicyFile> files);

struct Policy {
    Bytes digest;  ///< as the record says; policy_digest(files) is what it should be
    std::uint32_t generation = 0;
    std::vector<PolicyFile> files;
};

/// What the policy record behind it has no room for: files, or pieces of one (policy_parts.h).
struct PolicyPart {
    std::vector<PolicyFile> files;
};

struct BaselineBegin {
    std::uint64_t time = 0;
    bool more = false;        ///< goes on with the lists of the one before it
    std::string_view reason;  ///< "start", "restart", "policy", "order", "loss", "missed", ...
    std::vector<KeyringName> keyrings;
    std::vector<std::int32_t> gone;  ///< keyrings that the list has and the kernel has no more
};
/// A key as it stands in its keyring; without one: a keyring itself.
struct Baseline {
    KeyFacts key;
    std::uint8_t marks = 0;  ///< Mark bits
};
struct BaselineEnd {
    std::uint64_t time = 0, keyrings = 0, keys = 0;
    std::optional<std::uint64_t> appeared, vanished;  ///< restart: what changed unseen
};

struct Loss {
    std::uint64_t first = 0, last = 0, count = 0;
};
struct Missed {
    std::uint64_t count = 0;
    std::string_view
        operations;  ///< whose program it was, as Start::hooks names them; empty: not known
};
struct Drop {
    std::string_view reason;
    std::uint64_t count = 0, first = 0, last = 0;
    std::optional<std::uint32_t> uid;  ///< "budget": whose keyrings and keys the events are of
};
struct Foreign {
    std::uint32_t pcr = 0;
    std::vector<std::pair<Algorithm, Digest>> values;  ///< in the banks' order
};
struct Tampered {
    std::uint64_t time = 0;
    std::string_view what;
};
struct TpmChange {
    std::uint64_t time = 0;
    std::string_view what;
    TpmFacts tpm;
};
struct Detached {
    std::uint64_t time = 0;
    std::string_view what;
};
struct Canary {
    std::uint64_t time = 0;
    Bytes nonce;
};
/// A kind that this build does not know.
struct Unknown {
    std::string_view kind;
};

using Record =
    std::variant<Payload, Start, Policy, PolicyPart, Event, BaselineBegin, Baseline, BaselineEnd,
                 Loss, Missed, Drop, Foreign, Tampered, TpmChange, Detached, Canary, Unknown>;

/// The record that an entry, or a member of a batch, is. All of it are views into `name` and `buf`.
/// Members that are not known are passed over.
/// Error: a record of a known kind that is not as RECORDS.md says.
Result<Record> parse_record(std::string_view name, Bytes buf);

}  // namespace keyscribe::list
