// SPDX-License-Identifier: Apache-2.0
// Evidence of real guests with their firmware's log: which keys it explains, what it says of the
// list's start, and what a host that lies about it gains.
#include <gtest/gtest.h>

#include <functional>

#include "controller/service/appraise/key_source.h"
#include "controller/service/firmware/event_log.h"
#include "controller/service/firmware/replay.h"
#include "guest_evidence.h"
#include "tests/support/setting.h"

namespace keyscribe::appraise {
namespace firmware_appraise_test {

using testing::Guest;

MappedFile file(const std::string& name) { return testing::firmware_fixture(name); }

/// How many keys of the keyring have that source.
std::map<KeySource, int> sources(const Appraisal& appraisal, std::string_view ring) {
    std::map<KeySource, int> found;
    for (keyrings::LinkId id = 0; id < appraisal.model->links(); ++id)
        if (appraisal.model->key(appraisal.model->link(id).keyring).description == ring)
            ++found[appraisal.verdicts[id].source];
    return found;
}

TEST(FirmwareAppraise, EveryKeyOfAGuestWithSecureBootIsExplained) {
    Guest guest("uefi-7.x", true);
    const Appraisal appraisal = guest.run();
    EXPECT_EQ(guest.codes(), "") << to_json(appraisal, "");
    EXPECT_EQ(appraisal.verdict, Verdict::kAffirmed);
    using Sources = std::map<KeySource, int>;
    EXPECT_EQ(sources(appraisal, ".platform"), (Sources{{KeySource::kDb, 3}}));
    EXPECT_EQ(sources(appraisal, ".machine"),
              (Sources{{KeySource::kShim, 1}, {KeySource::kMok, 1}}));
    EXPECT_EQ(sources(appraisal, ".blacklist"),
              (Sources{{KeySource::kDbx, 1}, {KeySource::kMokX, 114}}));
    guest.basis.policy.firmware.required = true;
    guest.basis.policy.firmware.require_secure_boot = true;
    guest.basis.policy.evidence.require_boot_aggregate = true;
    EXPECT_EQ(guest.codes(), "");
    EXPECT_NE(to_json(guest.run(), "").find("firmware: db (PCR 7)"), std::string::npos);
}

TEST(FirmwareAppraise, AKeyThatNoVariableHas) {
    // MokListRT withheld: nothing explains what stands in .machine.
    Guest guest("uefi-7.x", true);
    guest.firmware().mok_list = {};
    EXPECT_EQ(guest.codes(), "key-not-of-firmware");
    EXPECT_EQ(sources(guest.run(), ".machine"),
              (std::map<KeySource, int>{{KeySource::kNotOfFirmware, 2}}));
    guest.basis.policy.firmware.allow_unexplained_keys = true;
    EXPECT_EQ(guest.codes(), "[key-not-of-firmware]");
}

TEST(FirmwareAppraise, AMokListThatShimDidNotMeasure) {
    Guest guest("uefi-7.x", true);
    const MappedFile other = file("mutated/late-mok.MokListRT");
    guest.firmware().mok_list = other.bytes();
    EXPECT_EQ(guest.codes(), "firmware-log-replay key-not-of-firmware");
    // shim's revocations that are withheld are not taken for none.
    Guest silent("uefi-7.x", true);
    silent.firmware().mok_list_x = {};
    EXPECT_EQ(silent.codes(), "revocation-missing");
    silent.basis.policy.firmware.allow_missing_revocations = true;
    EXPECT_EQ(silent.codes(), "[revocation-missing]");
}

TEST(FirmwareAppraise, ALogOfAnotherBootIsNotBelieved) {
    Guest guest("uefi-7.x", true);
    const MappedFile other = file("uki-6.12/binary_bios_measurements");
    guest.firmware().log = other.bytes();
    EXPECT_EQ(guest.codes(), "firmware-log-replay");
    EXPECT_EQ(sources(guest.run(), ".platform"), (std::map<KeySource, int>{{KeySource::kList, 3}}));
    guest.basis.policy.firmware.allow_unreplayed = true;
    EXPECT_EQ(guest.codes(), "[firmware-log-replay]");
    guest.basis.policy.firmware.require_secure_boot = true;
    EXPECT_EQ(guest.codes(), "secure-boot-off [firmware-log-replay]");
    guest.firmware().log = guest.log.bytes().first(guest.log.bytes().size() - 1);
    EXPECT_EQ(guest.codes(), "secure-boot-off [firmware-log-malformed]");
}

TEST(FirmwareAppraise, WithoutALogNothingIsExplainedAndNobodyBlamed) {
    Guest guest("uefi-7.x");
    guest.document.evidence.firmware.reset();
    EXPECT_EQ(guest.codes(), "");
    guest.basis.policy.firmware.required = true;
    EXPECT_EQ(guest.codes(), "firmware-log-missing");
}

/// A host with a guest's log, of whose PCRs a quote has those of `pcrs`, and with a key in .machine
/// that no variable has.
testing::Setting with_log(const MappedFile& log, const std::vector<unsigned>& pcrs) {
    testing::Setting setting;
    setting.good();
    setting.host.key(".machine", setting.host.ima, 400, "the owner's");
    const auto parsed = firmware::parse_event_log(log.bytes()).value();
    for (auto& [bank, values] : setting.host.second_pcrs = setting.host.kernel.pcrs())
        for (const unsigned pcr : pcrs) values[pcr] = (*firmware::replay(parsed, bank))[pcr];
    return setting;
}

TEST(FirmwareAppraise, WhereNoQuoteIsOverPcr14NobodyIsBlamed) {
    const MappedFile log = file("uefi-7.x/binary_bios_measurements");
    for (const bool quoted : {false, true}) {
        testing::Setting setting =
            with_log(log, quoted ? std::vector<unsigned>{7, 14} : std::vector<unsigned>{7});
        setting.edit = [&](evidence::Evidence& e) { e.firmware.emplace().log = log.bytes(); };
        const std::string codes = testing::codes_of(setting.run());
        EXPECT_EQ(codes.contains("key-not-of-firmware"), quoted) << codes;
        setting.basis.policy.firmware.required = true;
        EXPECT_TRUE(testing::codes_of(setting.run()).contains("firmware-log-missing"));
    }
}

/// As some firmware writes it for a TPM 2.0: each event has SHA-1 alone, and there is no header.
std::vector<std::uint8_t> log_of_sha1(const MappedFile& log) {
    std::vector<std::uint8_t> bytes;
    const auto put = [&bytes](std::size_t number) {
        for (int shift = 0; shift < 32; shift += 8)
            bytes.push_back(static_cast<std::uint8_t>(number >> shift));
    };
    const auto parsed = firmware::parse_event_log(log.bytes()).value();
    for (const firmware::Event& event : parsed.events) {
        if (!event.extends()) continue;
        put(event.pcr), put(event.type);
        const Bytes digest = event.digest(Algorithm::kSha1);
        bytes.insert(bytes.end(), digest.begin(), digest.end());
        put(event.data.size());
        bytes.insert(bytes.end(), event.data.begin(), event.data.end());
    }
    return bytes;
}

TEST(FirmwareAppraise, ALogOfSha1AloneIsAsNone) {
    const MappedFile log = file("uefi-7.x/binary_bios_measurements");
    const std::vector<std::uint8_t> sha1 = log_of_sha1(log);
    testing::Setting setting = with_log(log, {0, 7, 14});
    setting.edit = [&](evidence::Evidence& e) { e.firmware.emplace().log = sha1; };
    EXPECT_EQ(testing::codes_of(setting.run()), "");
    EXPECT_TRUE(testing::codes_of(setting.run(), true).contains("firmware-log-missing"));
    setting.basis.policy.firmware.required = true;
    setting.basis.policy.firmware.require_secure_boot = true;
    EXPECT_EQ(testing::codes_of(setting.run()), "firmware-log-missing secure-boot-off");
    // One that is not even of this boot is told all the same.
    setting.host.second_pcrs[Algorithm::kSha1][7].bytes[0] ^= 1;
    EXPECT_TRUE(testing::codes_of(setting.run()).contains("firmware-log-replay"));
}

/// systemd-stub measured a system extension into PCR 13; systemd 261 adds os-separator.
TEST(FirmwareAppraise, TheListsStartIsExplainedByTheLog) {
    for (const char* name : {"uki-6.12", "ukisep-6.12"}) {
        Guest guest(name);
        EXPECT_EQ(guest.codes(), "[secure-boot-off] [foreign-extend]") << name;
        guest.basis.policy.evidence.require_boot_aggregate = true;
        EXPECT_EQ(guest.run().verdict, Verdict::kAffirmed) << to_json(guest.run(), name);
        guest.document.evidence.firmware.reset();
        const bool separated = std::string_view(name) == "ukisep-6.12";
        EXPECT_EQ(guest.codes(), separated ? "foreign-extend boot-aggregate" : "foreign-extend");
    }
}

/// Who began the list anew wants the log to explain what the former list left in the PCR. He has
/// to invent an event for each of its entries, and these are too many.
TEST(FirmwareAppraise, ALogWithManyEventsExplainsNoStart) {
    Guest guest("uki-6.12");
    std::vector<std::uint8_t> longer(guest.log.bytes().begin(), guest.log.bytes().end());
    const auto log = firmware::parse_event_log(guest.log.bytes()).value();
    const firmware::Event& event = *log.of_pcr(13).front();
    // From the event's digests back to its beginning: PCR, type, count, the first algorithm.
    const auto* begin = event.digests[0].data() - 14;
    const auto* end = event.data.data() + event.data.size();
    for (int i = 0; i < 2; ++i) longer.insert(longer.end(), begin, end);
    ASSERT_EQ(firmware::parse_event_log(longer)->of_pcr(13).size(), 3u);
    guest.firmware().log = longer;
    EXPECT_EQ(guest.codes(), "foreign-extend [secure-boot-off]");
}

TEST(FirmwareAppraise, AForeignExtendThatTheLogDoesNotExplain) {
    Guest guest("uki-6.12");
    // The event is there, with other digests: PCR 13 is compared with nothing but the list.
    std::vector<std::uint8_t> other(guest.log.bytes().begin(), guest.log.bytes().end());
    const auto log = firmware::parse_event_log(guest.log.bytes()).value();
    for (const Bytes digest : log.of_pcr(13).front()->digests)
        other[static_cast<std::size_t>(digest.data() - guest.log.bytes().data())] ^= 1;
    guest.firmware().log = other;
    EXPECT_EQ(guest.codes(), "foreign-extend [secure-boot-off]");
}

TEST(FirmwareAppraise, AHostWithoutUefi) {
    Guest guest("kexec-6.12");
    const std::string codes = guest.codes();
    for (const char* code : {"firmware", "boot-aggregate", "key-not-of", "revocation"})
        EXPECT_EQ(codes.find(code), std::string::npos) << codes;
    EXPECT_NE(codes.find("[secure-boot-off]"), std::string::npos) << codes;
}

/// The kernel looks at no date of the certificates that the firmware brings; Microsoft's of 2011
/// expired in 2026. What is allowed in one keyring is allowed in no other.
TEST(FirmwareAppraise, ExpiredCertificatesByKeyring) {
    for (const char* ring : {".platform", ".machine", ".ima"}) {
        testing::Setting setting;
        setting.good();
        const auto old = testing::certificate(testing::Host::shared_key(3).get(), "Old",
                                              setting.host.builtin_key.get(), "Build key",
                                              {.not_before = 1000, .not_after = 2000});
        ASSERT_TRUE(setting.basis.references.add(old, "old.der"));
        setting.host.key(ring, old, 301, "Old: 1");
        const bool kernels = std::string_view(ring) != ".ima";
        EXPECT_EQ(testing::codes_of(setting.run()), kernels ? "" : "key-expired") << ring;
        setting.basis.policy.keys.allow_expired_in = {".machine"};
        EXPECT_EQ(testing::codes_of(setting.run()),
                  std::string_view(ring) == ".machine" ? "" : "key-expired")
            << ring;
        setting.basis.policy.keys.allow_expired = true;
        EXPECT_EQ(testing::codes_of(setting.run()), "") << ring;
    }
}

TEST(FirmwareAppraise, EvidenceCarriesItInBothForms) {
    Guest guest("uefi-7.x", true);
    const auto cbor = evidence::encode_cbor(guest.document.evidence);
    const std::string json = evidence::encode_json(guest.document.evidence);
    for (const Bytes form : {Bytes(cbor), as_bytes(json)}) {
        const auto again = evidence::decode(form);
        ASSERT_TRUE(again) << to_string(again.error());
        ASSERT_TRUE(again->evidence.firmware);
        EXPECT_TRUE(std::ranges::equal(again->evidence.firmware->log, guest.log.bytes()));
        EXPECT_TRUE(std::ranges::equal(again->evidence.firmware->mok_list_x, guest.mok[1].bytes()));
        EXPECT_EQ(evidence::encode_cbor(again->evidence), cbor);
    }
    const std::vector<std::uint8_t> large(evidence::kMaxFirmwareLog + 1);
    guest.firmware().log = large;
    EXPECT_FALSE(evidence::decode(evidence::encode_cbor(guest.document.evidence)));
    EXPECT_FALSE(evidence::decode(as_bytes(evidence::encode_json(guest.document.evidence))));
    guest.firmware().log = {};
    EXPECT_FALSE(evidence::decode(evidence::encode_cbor(guest.document.evidence)));
}

}  // namespace firmware_appraise_test
}  // namespace keyscribe::appraise
