// SPDX-License-Identifier: Apache-2.0
// One successful operation on a key, as captured in the kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/event.h"
#include "controller/base/wiped_bytes.h"

namespace keyscribe::events {

/// Who asked for the operation. All ids are those of the initial user namespace.
struct Actor {
    std::uint32_t pid = 0;  ///< thread group, in the initial pid namespace
    std::uint32_t tid = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t euid = 0;
    std::uint32_t egid = 0;
    std::uint32_t login_uid = 0;  ///< 4294967295: none
    std::uint32_t ppid = 0;
    std::uint32_t session = 0;     ///< of the login (audit); 4294967295: none
    std::int32_t syscall = 0;      ///< number of the system call; -1: a kernel thread
    std::uint64_t cgroup_id = 0;   ///< inode number of the cgroup's directory (cgroup v2)
    std::string cgroup;            ///< its path below the root of cgroup v2; "": not known
    std::uint64_t start_time = 0;  ///< of the process, CLOCK_BOOTTIME in ns; 0: no executable
    std::uint32_t exec_id = 0;     ///< with pid and start_time: one process image
    /// Of the file that was executed; 0: there is none, or it is not known.
    std::uint64_t exe_ino = 0;
    std::uint32_t exe_dev = 0;         ///< major << 20 | minor
    std::uint32_t exe_generation = 0;  ///< of the inode
    /// Its path in exe_mnt_ns, as it was when it was first seen there; "": not known. Where the
    /// head is not known, it begins with ".../".
    std::string exe;
    std::uint32_t exe_mnt_ns = 0;  ///< inode number of the namespace; 0: not known
    /// The path of another file, which the process has put in its place (prctl(2), PR_SET_MM).
    std::string exe_now;
    std::uint32_t mnt_ns = 0;  ///< inode numbers of namespaces
    std::uint32_t pid_ns = 0;
    std::uint32_t net_ns = 0;
    std::uint32_t user_ns = 0;
    std::string comm;  ///< any bytes
};

/// What an asymmetric key still has of what it was made from.
struct PublicKey {
    std::string algorithm;                       ///< as the kernel names it: "rsa"
    std::vector<std::uint8_t> bytes;             ///< of the subjectPublicKey BIT STRING
    std::vector<std::vector<std::uint8_t>> ids;  ///< asymmetric key identifiers
};

struct KeyringName {
    std::int32_t serial = 0;  ///< 0: none is known
    std::string name;         ///< its description: any bytes but NUL, at most KS_NAME_MAX
};

struct KeyEvent {
    std::uint64_t sequence = 0;      ///< from 1, without gaps where nothing was lost
    std::uint64_t boot_time_ns = 0;  ///< CLOCK_BOOTTIME
    std::uint32_t generation = 0;    ///< of the policy in force then; 0: there was none yet
    ks_operation operation = KS_OP_CREATE;

    std::int32_t key_serial = 0;
    std::string key_type;
    std::string description;  ///< any bytes but NUL, at most KS_NAME_MAX
    KeyringName keyring;      ///< that the operation is on or in; see enum ks_operation
    KeyringName from;         ///< of a move: the one that the key left
    std::uint32_t key_uid = 0;
    std::uint32_t key_gid = 0;
    std::uint32_t key_perm = 0;   ///< key_perm_t of <linux/key.h>
    std::uint32_t key_state = 0;  ///< ks_key_state
    /// Who owned `keyring` and `from` then, as an id of the initial user namespace.
    std::uint32_t keyring_uid = UINT32_MAX;  ///< UINT32_MAX: not known, or there is none
    std::uint32_t from_uid = UINT32_MAX;
    std::int64_t key_expiry = 0;  ///< seconds since 1970; 0 or INT64_MAX: never
    std::int64_t argument = 0;    ///< see enum ks_operation
    std::string restriction;      ///< of KS_OP_RESTRICT: "type:restriction", "type" or ""
    Actor actor;

    std::uint32_t ring = 0;           ///< id of the ring buffer that the record stood in
    std::uint64_t ring_position = 0;  ///< where the one behind it begins (RingReader::position)

    std::uint32_t payload_length = 0;     ///< what the kernel was given
    std::uint8_t flags = 0;               ///< ks_event_flag: why the payload is not here
    WipedBytes payload;                   ///< whole, or empty and a flag says why
    std::optional<PublicKey> public_key;  ///< of a key that is linked, moved or in a baseline
};

}  // namespace keyscribe::events
