// SPDX-License-Identifier: Apache-2.0
// /etc/keyscribe/keyscribe.toml (TOML 1.0). controller/host/units/keyscribe.toml lists every
// setting.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "controller/base/error.h"

namespace keyscribe::settings {

inline constexpr const char* kConfigFile = "/etc/keyscribe/keyscribe.toml";

/// Returns the bytes of a ring on a machine with so much memory: 1/256 of it, 8 to 64 MiB, as a
/// power of two. Rounded up: a machine of 8 GiB has somewhat less, since the kernel keeps some, and
/// how much must not decide between two sizes.
std::uint32_t ring_size_for(std::uint64_t memory);
/// The same of this machine.
std::uint32_t default_ring_size();

struct Config {
    struct {
        std::string tcti = "device:/dev/tpmrm0";
        unsigned pcr = 13;
        bool force_resettable_pcr = false;
    } tpm;
    struct {
        std::uint32_t ak_handle = 0x8101004b;  ///< where the attestation key is persistent
        std::string ek = "rsa";                ///< its parent: "rsa", "ecc"
    } attest;
    struct {
        std::uint32_t ring_size = default_ring_size();  ///< a power of two, 64 KiB to 256 MiB
        std::string hook = "auto";                      ///< "auto", "lsm", "fentry", "ima"
        bool detach_on_stop = false;  ///< else the programs go on without the daemon
    } capture;
    struct {
        std::uint64_t max_size = 128u << 20;  ///< bytes
        std::chrono::seconds deadline{0};     ///< 0: events wait for ever
    } spool;
    struct {
        std::filesystem::path directory = "/etc/keyscribe/policy.d";
    } policy;
    struct {
        std::filesystem::path directory = "/run/keyscribe";
        /// Where the list is kept over a kexec; empty: it is not.
        std::filesystem::path former = "/var/lib/keyscribe/former-list";
        bool text = true;         ///< the text form is written beside the binary one
        unsigned max_share = 50;  ///< percent of the directory's file system that both may take
        /// Bytes that events of one user's keyrings may take in an hour; 0: as many as they like.
        std::uint64_t user_budget = 4u << 20;
    } list;
    struct {
        bool enabled = true;
        std::filesystem::path directory = "/var/log/keyscribe";
        std::uint64_t max_size = 16u << 20;  ///< bytes a file
        unsigned files = 4;                  ///< old ones that are kept
    } journal;
    struct {
        std::filesystem::path socket = "/run/keyscribe/control.sock";
        std::string group = "keyscribe";  ///< may read; changing takes root
    } control;
    struct {
        /// What the host knows of its enrolment and of its last visit.
        std::filesystem::path directory = "/var/lib/keyscribe/verifier";
    } verifier;
    struct {
        std::string level = "info";  ///< "debug", "info", "warning", "error"
    } log;
};

/// `file` is for messages. Error: bad TOML, an unknown setting, a wrong type or value; `where` has
/// file, line and column.
Result<Config> parse_config(std::string_view text, const std::string& file);

/// A file that does not exist means the defaults.
Result<Config> load_config(const std::filesystem::path& file);

}  // namespace keyscribe::settings
