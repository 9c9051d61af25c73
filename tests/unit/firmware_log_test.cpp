// SPDX-License-Identifier: Apache-2.0
// Firmware logs of real guests, and what a liar made of one: taken apart, replayed, and compared
// with tpm2_eventlog.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "controller/base/mapped_file.h"
#include "controller/evidence/evidence.h"
#include "controller/service/firmware/replay.h"
#include "controller/service/firmware/secure_boot.h"
#include "controller/service/firmware/signature_list.h"
#include "support.h"

namespace keyscribe::firmware {
namespace firmware_log_test {

const std::string kFolder = std::string(FIXTURES) + "/firmware/";
const std::vector<Algorithm> kAll(kBanks.begin(), kBanks.end());

MappedFile file(const std::string& name) {
    auto read = MappedFile::open(kFolder + name);
    if (!read) throw std::runtime_error(to_string(read.error()));
    return std::move(*read);
}

EventLog log_of(const MappedFile& bytes) {
    auto log = parse_event_log(bytes.bytes());
    if (!log) throw std::runtime_error(to_string(log.error()));
    return std::move(*log);
}

std::size_t certificates_in(Bytes variable) {
    std::size_t count = 0;
    const SignatureLists read = read_signature_lists(variable);
    EXPECT_FALSE(read.malformed);
    for (const SignatureList& list : read.lists)
        if (list.type == &kX509) count += list.signatures.size();
    return count;
}

/// Each PCR that the firmware and the boot loader extend, in each bank, as the TPM quoted it.
void expect_replay(const std::string& host, bool separated, const std::vector<unsigned>& pcrs) {
    const MappedFile bytes = file(host + "/binary_bios_measurements");
    const MappedFile evidence = file(host + "/evidence.bin");
    const EventLog log = log_of(bytes);
    const auto document = evidence::decode(evidence.bytes());
    ASSERT_TRUE(document);
    std::size_t compared = 0;
    for (const evidence::Quote& quote : document->evidence.quotes)
        for (const auto& [bank, values] : quote.pcrs) {
            const auto replayed = replay(log, bank);
            ASSERT_TRUE(replayed) << name_of(bank);
            for (const unsigned pcr : pcrs) {
                const auto value = values.find(pcr);
                if (value == values.end()) continue;
                const Digest& plain = (*replayed)[pcr];
                EXPECT_EQ(to_hex(value->second), to_hex(separated && has_os_separator(pcr)
                                                            ? behind_os_separator(bank, plain)
                                                            : plain))
                    << host << ", PCR " << pcr << ", " << name_of(bank);
                ++compared;
            }
        }
    EXPECT_GE(compared, 4 * pcrs.size()) << host;
}

TEST(FirmwareLog, RealLogsGiveTheQuotedPcrs) {
    expect_replay("uefi-7.x", false, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14});
    expect_replay("uki-6.12", false, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14});
    expect_replay("ukisep-6.12", true, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14});
    expect_replay("kexec-6.12", false, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14});
}

TEST(FirmwareLog, Tpm2EventlogSaysTheSame) {
    for (const char* name :
         {"uefi-7.x/binary_bios_measurements", "uki-6.12/binary_bios_measurements",
          "kexec-6.12/binary_bios_measurements", "mutated/late-db.log", "mutated/late-mok.log"}) {
        const auto theirs =
            testing::run("tpm2_eventlog " + kFolder + name +
                         " 2>/dev/null"
                         " | grep -oE '^ +(- )?(PCRIndex: .*|Digest: .*)|^ +[0-9]+ +: 0x.*'");
        ASSERT_EQ(theirs.status, 0) << theirs.text;
        const MappedFile bytes = file(name);
        const EventLog log = log_of(bytes);
        std::string ours = "PCRIndex:0\nDigest:\"" + std::string(40, '0') + "\"\n";
        for (const Event& event : log.events) {
            ours += "PCRIndex:" + std::to_string(event.pcr) + '\n';
            for (const Bytes digest : event.digests) ours += "Digest:\"" + to_hex(digest) + "\"\n";
        }
        for (const Algorithm bank : kAll) {
            const auto values = replay(log, bank);
            ASSERT_TRUE(values);
            for (unsigned pcr = 0; pcr < kPcrs; ++pcr)
                if (!log.of_pcr(pcr).empty())
                    ours += std::to_string(pcr) + ":0x" + to_hex((*values)[pcr]) + '\n';
        }
        std::string plain;
        for (const char c : theirs.text)
            if (c != ' ' && c != '-') plain += c;
        EXPECT_EQ(plain, ours) << name;
    }
}

TEST(FirmwareLog, SecureBootsVariables) {
    const MappedFile uefi = file("uefi-7.x/binary_bios_measurements");
    const EventLog log = log_of(uefi);
    const auto found = read_secure_boot(log, kAll);
    ASSERT_TRUE(found) << to_string(found.error());
    EXPECT_TRUE(found->on);
    EXPECT_TRUE(found->unexpected.empty());
    EXPECT_EQ(certificates_in(found->pk), 1u);
    EXPECT_EQ(certificates_in(found->db), 3u);
    EXPECT_EQ(found->dbx.size(), 76u);
    // What shim left for the kernel is PCR 14's first and second event.
    const auto mok = log.of_pcr(14);
    ASSERT_GE(mok.size(), 2u);
    const MappedFile list = file("uefi-7.x/MokListRT"), list_x = file("uefi-7.x/MokListXRT");
    EXPECT_TRUE(mok[0]->is_digest_of(list.bytes(), kAll));
    EXPECT_TRUE(mok[1]->is_digest_of(list_x.bytes(), kAll));
    EXPECT_EQ(certificates_in(list.bytes()), 2u);

    const MappedFile uki = file("uki-6.12/binary_bios_measurements");
    const auto off = read_secure_boot(log_of(uki), kAll);
    ASSERT_TRUE(off) << to_string(off.error());
    EXPECT_FALSE(off->on);
    EXPECT_TRUE(off->unexpected.empty());
    EXPECT_TRUE(off->db.empty());

    const MappedFile bios = file("kexec-6.12/binary_bios_measurements");
    const auto none = read_secure_boot(log_of(bios), kAll);
    ASSERT_TRUE(none) << to_string(none.error());
    EXPECT_FALSE(none->on);
    EXPECT_TRUE(none->unexpected.empty());
}

struct Mutation {
    const char* name;
    bool parses, replays, believed;
};

/// NAME.json says why.
TEST(FirmwareLog, WhatALiarMadeOfIt) {
    const Mutation mutations[] = {
        {"authority-as-config", true, true, true},
        {"late-db", true, true, true},
        {"late-mok", true, true, true},
        {"pe-event", true, true, true},
        {"reordered", true, true, true},
        {"db-content", true, true, false},
        {"dbx-no-action", true, false, true},
        {"no-dbx", true, false, true},
        {"cut", false, false, false},
        {"huge", false, false, false},
        {"unknown-bank", false, false, false},
    };
    const MappedFile original = file("mutated/original.log");
    const auto right = read_secure_boot(log_of(original), kAll);
    ASSERT_TRUE(right);
    for (const Mutation& mutation : mutations) {
        const std::string name = std::string("mutated/") + mutation.name;
        const MappedFile bytes = file(name + ".log");
        const auto log = parse_event_log(bytes.bytes());
        ASSERT_EQ(log.has_value(), mutation.parses) << name;
        if (!log) {
            EXPECT_NE(log.error().where.find("event "), std::string::npos) << name;
            continue;
        }
        const auto json = nlohmann::json::parse(as_text(file(name + ".json").bytes()));
        bool replays = true;
        for (const auto& [bank, values] : json["pcrs"].items()) {
            const auto replayed = replay(*log, *algorithm_named(bank));
            for (const auto& [pcr, value] : values.items()) {
                // Those that userspace extended before the values were read.
                if (pcr == "13") continue;
                replays = replays && replayed &&
                          to_hex((*replayed)[std::stoul(pcr)]) == value.get<std::string>();
            }
        }
        EXPECT_EQ(replays, mutation.replays) << name;
        const auto found = read_secure_boot(*log, kAll);
        EXPECT_EQ(found.has_value(), mutation.believed) << name;
        if (!found || !replays) continue;
        // Whatever was added behind the separator, or relabelled: the firmware's db alone counts.
        EXPECT_TRUE(std::ranges::equal(found->db, right->db)) << name;
        EXPECT_TRUE(std::ranges::equal(found->dbx, right->dbx)) << name;
        EXPECT_TRUE(found->unexpected.empty()) << name;
    }
    // The list with one more certificate is the content of a later event, not of the first.
    const MappedFile late = file("mutated/late-mok.log"), more = file("mutated/late-mok.MokListRT");
    const EventLog log = log_of(late);
    EXPECT_FALSE(log.of_pcr(14)[0]->is_digest_of(more.bytes(), kAll));
    EXPECT_TRUE(log.of_pcr(14).back()->is_digest_of(more.bytes(), kAll));
    EXPECT_TRUE(log.of_pcr(14)[0]->is_digest_of(file("mutated/MokListRT").bytes(), kAll));
}

/// The log's bytes in reach of a test: an event of one SHA-256 bank.
struct Maker {
    std::string bytes;
    void le(std::uint64_t value, unsigned size) {
        for (unsigned i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
    }
    Maker() {
        const std::string spec = std::string("Spec ID Event03\0\0\0\0\0\0\2\0\2", 24) +
                                 std::string("\1\0\0\0\x0b\0\x20\0\0", 9);
        le(0, 4), le(3, 4);
        bytes += std::string(20, '\0');
        le(spec.size(), 4);
        bytes += spec;
    }
    Maker& event(unsigned pcr, std::uint32_t type, std::string_view digest_of,
                 std::string_view data) {
        le(pcr, 4), le(type, 4), le(1, 4), le(0x0b, 2);
        bytes += as_text(hash(Algorithm::kSha256, as_bytes(digest_of)));
        le(data.size(), 4);
        bytes += data;
        return *this;
    }
    Maker& event(unsigned pcr, std::uint32_t type, std::string_view data) {
        return event(pcr, type, data, data);
    }
    Maker& variable(std::string_view name, bool database, std::string_view data,
                    std::uint32_t type = kVariableDriverConfig) {
        Maker content;
        content.bytes = database ? std::string(
                                       "\xcb\xb2\x19\xd7\x3a\x3d\x96\x45"
                                       "\xa3\xbc\xda\xd0\x0e\x67\x65\x6f",
                                       16)
                                 : std::string(
                                       "\x61\xdf\xe4\x8b\xca\x93\xd2\x11"
                                       "\xaa\x0d\x00\xe0\x98\x03\x2b\x8c",
                                       16);
        content.le(name.size(), 8), content.le(data.size(), 8);
        for (const char c : name) content.bytes += c, content.bytes += '\0';
        content.bytes += data;
        return event(7, type, content.bytes);
    }
    Maker& variables() {
        return variable("SecureBoot", false, "\1")
            .variable("PK", false, "")
            .variable("KEK", false, "")
            .variable("db", true, "")
            .variable("dbx", true, "");
    }
    Maker& separator(std::uint32_t type = 4) { return event(7, type, std::string(4, '\0')); }
};

Result<SecureBoot> secure_boot_of(const Maker& maker) {
    const auto log = parse_event_log(as_bytes(maker.bytes));
    if (!log) return std::unexpected(log.error());
    return read_secure_boot(*log, {Algorithm::kSha256});
}

TEST(FirmwareLog, TheSeparatorIsKnownByItsDigest) {
    const auto good = secure_boot_of(Maker().variables().separator());
    ASSERT_TRUE(good) << to_string(good.error());
    EXPECT_TRUE(good->on);
    EXPECT_TRUE(good->unexpected.empty());
    // Its type is no secret of the firmware's: what comes behind it is not believed all the same.
    const auto hidden = secure_boot_of(
        Maker().variables().separator(0x80000001).variable("db", true, "rogue").separator());
    ASSERT_TRUE(hidden);
    EXPECT_TRUE(hidden->db.empty());
    EXPECT_FALSE(secure_boot_of(Maker().variables()));
}

TEST(FirmwareLog, VariablesTwiceOrOutOfOrderAreRefused) {
    EXPECT_FALSE(secure_boot_of(Maker().variables().variable("db", true, "rogue").separator()));
    EXPECT_FALSE(secure_boot_of(
        Maker().variable("PK", false, "").variable("SecureBoot", false, "\1").separator()));
    const auto few = secure_boot_of(Maker().variable("SecureBoot", false, "\1").separator());
    ASSERT_TRUE(few);
    EXPECT_EQ(few->unexpected.size(), 1u);
}

TEST(FirmwareLog, WhatIsNoVariableIsTold) {
    for (auto maker : {Maker().event(7, 0x80000007, "UEFI Debug Mode").variables().separator(),
                       Maker().variables().variable("db", false, "").separator(),
                       Maker().variables().variable("new", true, "").separator()}) {
        const auto found = secure_boot_of(maker);
        ASSERT_TRUE(found) << to_string(found.error());
        EXPECT_EQ(found->unexpected.size(), 1u);
    }
}

TEST(FirmwareLog, LocalityIsWherePcr0Begins) {
    const std::string locality("StartupLocality\0\3", 17);
    const auto log = parse_event_log(as_bytes(Maker().event(0, kNoAction, locality).bytes));
    ASSERT_TRUE(log);
    EXPECT_EQ((*replay(*log, Algorithm::kSha256))[0].bytes[31], 3);
    for (const auto& wrong : {Maker().event(0, kNoAction, std::string("StartupLocality\0\5", 17)),
                              Maker().event(0, kNoAction, locality).event(0, kNoAction, locality),
                              Maker().event(0, 8, "first").event(0, kNoAction, locality)})
        EXPECT_FALSE(parse_event_log(as_bytes(wrong.bytes)));
}

TEST(FirmwareLog, SizesThatDoNotAddUp) {
    EXPECT_FALSE(parse_event_log({}));
    EXPECT_FALSE(parse_event_log(as_bytes(Maker().event(24, 8, "no such PCR").bytes)));
    EXPECT_TRUE(parse_event_log(as_bytes(Maker().event(UINT32_MAX, kNoAction, "").bytes)));
    const MappedFile bytes = file("uki-6.12/binary_bios_measurements");
    const std::size_t whole = log_of(bytes).events.size();
    for (std::size_t size = 0; size < bytes.bytes().size(); size += testing::kStep) {
        const auto log = parse_event_log(bytes.bytes().first(size));
        EXPECT_TRUE(!log || log->events.size() < whole) << size;
    }
}

TEST(FirmwareLog, WithoutAHeaderItsBankIsSha1) {
    Maker maker;
    maker.bytes.clear();
    maker.le(0, 4), maker.le(7, 4);
    maker.bytes += std::string(20, 'd');
    maker.le(4, 4);
    maker.bytes += "crtm";
    const auto log = parse_event_log(as_bytes(maker.bytes));
    ASSERT_TRUE(log);
    EXPECT_EQ(log->events.size(), 1u);
    EXPECT_TRUE(replay(*log, Algorithm::kSha1));
    EXPECT_FALSE(replay(*log, Algorithm::kSha256));
}

}  // namespace firmware_log_test
}  // namespace keyscribe::firmware
