// SPDX-License-Identifier: Apache-2.0
// /etc/keyscribe/verifier.toml (TOML 1.0). verifier.toml beside this file has every setting with
// its default; without the file the defaults hold.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"

namespace keyscribe::verifier {

inline constexpr const char* kSettingsFile = "/etc/keyscribe/verifier.toml";

struct Settings {
    struct {
        std::string url;            ///< empty: SQLite in the state directory
        unsigned connections = 16;  ///< to the database, of this process
    } store;
    struct {
        std::string address = "::";  ///< "::" takes IPv4 too
        unsigned port = 8443;
        std::string name;  ///< that hosts know it by; empty: this machine's
    } listen;
    struct {
        std::filesystem::path certificate, key;  ///< PEM; empty: one of its own
        std::filesystem::path operators_ca;      ///< whose certificates make an operator
    } tls;
    struct {
        std::uint64_t head = 16u << 10;                ///< bytes of a request's head
        std::uint64_t body = 64u << 20;                ///< bytes of a request's body
        std::uint64_t bodies = 128u << 20;             ///< of all bodies over 16 KiB at once
        std::uint64_t bodies_for_address = 32u << 20;  ///< of these; one body may be larger
        unsigned connections = 12000;                  ///< in all
        unsigned connections_for_address = 2000;       ///< a load balancer counts as one
        unsigned idle = 60;     ///< seconds that a connection is kept for the next request
        unsigned request = 30;  ///< seconds for a head, or each MiB of a body
        unsigned threads = 0;   ///< that judge; 0: one for each CPU
        unsigned queue = 2000;  ///< requests that wait for them
        unsigned waiting_enrolments = 10000;   ///< that nobody has decided on
        unsigned enrolments_for_token = 1000;  ///< of these, those of one token
        unsigned enrolments_for_ek = 20;       ///< of one endorsement key in an hour
    } limits;
    struct {
        unsigned interval = 300;      ///< seconds between a host's visits
        unsigned silent_after = 900;  ///< seconds without a visit
        unsigned judge_again =
            3600;  ///< seconds after which a list that stays the same is judged anew
        unsigned keep_changes = 400;  ///< days
        unsigned keep_lists = 0;      ///< days that a silent host's list is kept; 0: for ever
    } attest;
    struct {
        std::filesystem::path ca;     ///< a folder of TPM vendors' CA certificates
        std::filesystem::path eks;    ///< a file: SHA-256 of EKs' SubjectPublicKeyInfo, one a line
        bool known_by_token = false;  ///< a token suffices: for a network of one's own only
    } enrol;
    struct {
        std::vector<std::string> urls;
        std::string secret;  ///< of X-Keyscribe-Signature
    } webhook;
    struct {
        bool results_for_all = false;  ///< a host's result without a token
    } readers;
    struct {
        std::string level = "info";
    } log;
    std::filesystem::path state_directory;  ///< not in the file: where SQLite's file lies
};

/// `file` is for messages. Error: bad TOML, an unknown setting, a wrong value; `where` has file and
/// line.
Result<Settings> parse_settings(std::string_view text, const std::string& file);

/// A file that does not exist means the defaults; then $STATE_DIRECTORY or
/// /var/lib/keyscribe-verifier.
Result<Settings> load_settings(const std::filesystem::path& file);

}  // namespace keyscribe::verifier
