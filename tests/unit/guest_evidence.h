// SPDX-License-Identifier: Apache-2.0
// Evidence of a real guest, of tests/fixtures/firmware, together with its firmware's log.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "controller/base/mapped_file.h"
#include "controller/keyrings/keyring_model.h"
#include "controller/service/appraise/appraise.h"
#include "support.h"

namespace keyscribe::testing {

inline const std::string kFirmwareFixtures = std::string(FIXTURES) + "/firmware/";
inline constexpr std::int64_t kGuestsTime = 1795950000;  // 28 November 2026

inline MappedFile firmware_fixture(const std::string& name) {
    auto read = MappedFile::open(kFirmwareFixtures + name);
    if (!read) throw std::runtime_error(to_string(read.error()));
    return std::move(*read);
}

/// A guest's evidence together with its firmware's log; a test changes what it likes.
struct Guest {
    MappedFile bytes, log;
    std::vector<MappedFile> mok;
    evidence::Document document;
    appraise::AttestationKey key;
    std::vector<std::uint8_t> nonce;
    appraise::Basis basis;
    std::vector<std::uint8_t> state;

    explicit Guest(const std::string& name, bool with_mok = false)
        : bytes(firmware_fixture(name + "/evidence.bin")),
          log(firmware_fixture(name + "/binary_bios_measurements")),
          document(evidence::decode(bytes.bytes()).value()),
          key(appraise::AttestationKey::from_pem(read_file(kFirmwareFixtures + name + "/ak.pem"),
                                                 "ak.pem")
                  .value()) {
        std::string text = name == "kexec-6.12" ? "00112233445566778899aabbccddeeff"
                                                : read_file(kFirmwareFixtures + name + "/nonce");
        while (text.ends_with('\n')) text.pop_back();
        nonce = from_hex(text).value();
        if (std::filesystem::exists(kFirmwareFixtures + name + "/references"))
            basis.references =
                appraise::ReferenceValues::load(kFirmwareFixtures + name + "/references").value();
        auto& firmware = document.evidence.firmware.emplace();
        firmware.log = log.bytes();
        if (!with_mok) return;
        for (const char* variable : {"/MokListRT", "/MokListXRT", "/MokListTrustedRT"})
            mok.push_back(firmware_fixture(name + variable));
        firmware.mok_list = mok[0].bytes();
        firmware.mok_list_x = mok[1].bytes();
        firmware.mok_list_trusted = mok[2].bytes();
    }
    evidence::Firmware& firmware() { return *document.evidence.firmware; }
    appraise::Appraisal run() {
        return appraise::appraise(
            document.evidence,
            {.evidence = {}, .nonce = nonce, .keys = {&key, 1}, .now = kGuestsTime, .state = state},
            basis);
    }
    /// Every code once, notes in brackets; but for the note that Microsoft's certificates of 2011,
    /// which are in db, have expired.
    std::string codes() {
        const appraise::Appraisal appraisal = run();
        std::string text;
        for (const appraise::Finding& finding : appraisal.findings) {
            const bool note = finding.weight == appraise::Weight::kNote;
            if (note && finding.code == "key-expired") continue;
            const std::string one =
                note ? '[' + std::string(finding.code) + ']' : std::string(finding.code);
            if ((' ' + text + ' ').find(' ' + one + ' ') != std::string::npos) continue;
            text += (text.empty() ? "" : " ") + one;
        }
        return text;
    }
};

}  // namespace keyscribe::testing
