// SPDX-License-Identifier: Apache-2.0
// Makes this host's evidence: quotes, and the beginnings of the lists that they cover.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/error.h"
#include "controller/evidence/evidence.h"
#include "controller/host/attest/ak.h"
#include "controller/host/attest/quote.h"
#include "controller/host/tpm/tpm.h"

namespace keyscribe::attest {

struct Request {
    std::vector<std::uint8_t> nonce;
    std::uint64_t since = 0;     ///< the first entry that is wanted
    std::vector<unsigned> pcrs;  ///< for a second quote; may be empty. With 10: the kernel's list
    unsigned pcr = 13;           ///< Keyscribe's
    std::uint32_t ak_handle = 0;
    EkAlgorithm ek = EkAlgorithm::kRsa;
    std::filesystem::path list;  ///< binary_runtime_measurements
    std::filesystem::path ima_directory = "/sys/kernel/security/ima";
    /// The first entry of the kernel's list that is wanted.
    std::uint64_t ima_since = 0;
    /// What stood before the kernel's list as the kernel has it: it gave its beginning to userspace
    /// (CONFIG_IMA_STAGING, Linux 7.2), or a kexec came. In the form of the kernel's list; empty:
    /// the kernel has all of it. Believed as far as both replay to PCR 10.
    std::filesystem::path ima_former;
    /// The firmware's log and shim's variables, where the host has them, and PCR 0 to 9 and 14.
    bool firmware = true;
    std::filesystem::path firmware_log = "/sys/kernel/security/tpm0/binary_bios_measurements";
    std::filesystem::path mok_directory = "/sys/firmware/efi/mok-variables";
    /// The daemon was asked to say, in a record with the nonce, that capture works: wait for it.
    bool canary = false;
    /// How long to wait for that, and for a daemon that is still telling what the keyrings hold.
    std::chrono::milliseconds patience{0};
};

/// Evidence and the memory that it points to. Not copyable; moving it leaves the views valid.
struct Collected {
    evidence::Evidence evidence;
    bool explained = false;                 ///< the list gives what the PCR has
    bool ima_explained = false;             ///< the kernel's list gives what PCR 10 has
    std::optional<Error> without_firmware;  ///< why the firmware's log was left out
    bool whole = false;   ///< after the last start and policy the list has a whole baseline
    bool canary = false;  ///< the list has a canary's record with the nonce

    PublicKey ak;
    std::vector<std::uint8_t> ek_certificate;
    std::vector<SignedQuote> quotes;
    std::vector<std::uint8_t> list, ima;
    std::vector<std::uint8_t> firmware_log, mok_list, mok_list_x, mok_list_trusted;
    std::string software, boot_id, kernel;

    Collected() = default;
    Collected(Collected&&) = default;
    Collected& operator=(Collected&&) = default;
};

/// Of this boot, as evidence has it; "": it cannot be read.
std::string boot_id();

/// The daemon need not run, and nothing stops while this does: the list is appended before the PCR
/// is extended, so a quote's PCR is always that of a beginning of the list that is read after it.
/// Error: no TPM, no attestation key, no list, or `since` beyond what the quote covers.
Result<Collected> collect(tpm::Tpm& tpm, const Request& request);

}  // namespace keyscribe::attest
