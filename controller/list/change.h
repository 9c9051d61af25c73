// SPDX-License-Identifier: Apache-2.0
// One change to keys and keyrings: what a record of the list says (controller/list/RECORDS.md),
// taken apart.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::list {

enum class Operation : std::uint8_t {
    kPlain,  ///< an entry that is a key's payload; the record behind it says whose
    kCreate,
    kUpdate,
    kInstantiate,
    kReject,
    kLink,
    kUnlink,
    kMove,
    kClear,
    kRevoke,
    kInvalidate,
    kRestrict,
    kTimeout,
    kSetperm,
    kChown,
    kDestroy,
    kBaselineBegin,
    kBaseline,
    kBaselineEnd,
};

/// "create", "baseline-begin", ...: the KIND of keyscribe:KIND; "plain".
std::string_view name_of(Operation operation);

/// What a key can be, as bits.
enum Mark : std::uint8_t {
    kRevoked = 1,
    kInvalidated = 2,
    kExpired = 4,  ///< the kernel said so; else see KeyringModel::is_expired()
    kNegative = 8,
    kDestroyed = 16,
};

/// Who did it. Views.
struct ActorView {
    std::uint32_t pid = 0, uid = 0, euid = 0, login_uid = UINT32_MAX;
    std::string_view comm, exe, kind;  ///< kind: "process", "kernel thread", "module loading"
};

struct KeyringName {
    std::int32_t serial = 0;
    std::string_view name;
};

/// Views into the record, or into what the daemon holds; only looked at while it is applied.
struct Change {
    Operation operation = Operation::kPlain;
    std::uint64_t sequence = 0;  ///< 0: none (baseline, plain)
    std::uint64_t time = 0;      ///< CLOCK_BOOTTIME in ns

    std::int32_t key = 0;  ///< the key's serial; of clear and restrict the keyring's
    std::string_view type, description;
    std::int32_t keyring = 0;  ///< 0: none is known
    std::string_view keyring_name;
    std::int32_t from = 0;  ///< move: the keyring that it left
    std::string_view from_name;

    std::uint32_t uid = 0, gid = 0, perm = 0;
    std::int64_t expiry = 0;  ///< seconds since 1970; 0: never
    std::int32_t error = 0;   ///< reject: a positive errno
    std::uint8_t marks = 0;   ///< baseline: Mark bits
    std::optional<std::string_view> restriction;

    bool plain = false;            ///< the plain entry before this one has the payload
    std::optional<Sha256> sha256;  ///< of the payload
    std::string_view withheld;     ///< why the payload is not there
    Bytes public_key;              ///< subjectPublicKey's bytes
    std::string_view algorithm;    ///< the kernel's name for public_key's
    std::vector<Bytes> ids;        ///< of public_key: what certificates name their signer by
    std::optional<ActorView> actor;

    std::vector<KeyringName> keyrings;  ///< baseline-begin
};

/// `name` and `buf` of a record (unfold.h). Views into both. Nothing: a record that is not about a
/// key (start, policy, loss, ...). Members that are not known are passed over.
/// Error: a record about a key that is malformed.
Result<std::optional<Change>> parse_change(std::string_view name, Bytes buf);

}  // namespace keyscribe::list
