// SPDX-License-Identifier: Apache-2.0
// One successful operation on a key, as captured in the kernel.
#pragma once

#include <cstdint>
#include <string>

#include "bpf/event.h"
#include "controller/wiped_bytes.h"

namespace keyscribe {

/// Who asked for the operation. All ids are those of the initial user namespace.
struct Actor {
    std::uint32_t pid = 0;  ///< thread group, in the initial pid namespace
    std::uint32_t tid = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t euid = 0;
    std::uint32_t egid = 0;
    std::uint32_t login_uid = 0;  ///< 4294967295: none
    std::uint64_t cgroup_id = 0;  ///< inode number of the cgroup's directory (cgroup v2)
    std::string comm;             ///< any bytes
};

struct KeyEvent {
    std::uint64_t sequence = 0;      ///< from 1, without gaps where nothing was lost
    std::uint64_t boot_time_ns = 0;  ///< CLOCK_BOOTTIME
    std::uint32_t generation = 0;    ///< of the policy in force then; 0: there was none yet
    ks_operation operation = KS_OP_CREATE;

    std::int32_t key_serial = 0;
    std::int32_t keyring_serial = 0;
    std::string key_type;
    std::string description;  ///< any bytes but NUL, at most KS_NAME_MAX
    std::string keyring;      ///< the keyring's description; the same
    std::uint32_t key_uid = 0;
    std::uint32_t key_gid = 0;
    std::uint32_t key_perm = 0;    ///< key_perm_t of <linux/key.h>
    std::int64_t key_expiry = 0;   ///< seconds since 1970; 0 or INT64_MAX: never
    Actor actor;

    std::uint32_t payload_length = 0;  ///< what the kernel was given
    std::uint8_t flags = 0;            ///< ks_event_flag: why the payload is not here
    WipedBytes payload;                ///< whole, or empty and a flag says why
};

}  // namespace keyscribe
