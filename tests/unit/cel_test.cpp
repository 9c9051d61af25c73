// SPDX-License-Identifier: Apache-2.0
#include "controller/list/cel.h"

#include <gtest/gtest.h>

#include "controller/host/measure/list_writer.h"
#include "controller/list/template_data.h"
#include "support.h"

namespace keyscribe::measure {
namespace cel_test {

constexpr list::CelFormat kFormats[] = {list::CelFormat::kJson, list::CelFormat::kCbor,
                                        list::CelFormat::kTlv};
const std::vector<Algorithm> kBanks = {Algorithm::kSha1, Algorithm::kSha256, Algorithm::kSha384,
                                       Algorithm::kSha512};

/// Entries of two PCRs, a violation, an empty payload and one that is long.
std::string list_of_every_kind() {
    std::string list;
    const auto add = [&list](unsigned pcr, std::string_view name, Bytes data) {
        const auto entry = encode_entry(pcr, name, data);
        list.append(entry.begin(), entry.end());
    };
    add(13, "ima-ng",
        list::encode_ima_ng(Algorithm::kSha256, filled(Algorithm::kSha256, 7), "boot_aggregate"));
    add(13, "ima-buf", list::encode_ima_buf(".ima", as_bytes(std::string(70000, 'k'))));
    add(10, "ima-buf", list::encode_ima_buf("other", as_bytes("")));
    add(13, "ima-buf", list::encode_ima_buf("keyscribe:loss", as_bytes("\x01\x02")));
    std::string violation;
    const auto entry = encode_entry(10, "ima-ng", as_bytes("whatever"));
    violation.assign(entry.begin(), entry.end());
    violation.replace(4, 20, 20, '\0');
    return list + violation;
}

std::vector<std::uint8_t> written(const std::vector<list::Entry>& entries, list::CelFormat format) {
    return list::write_cel(entries, kBanks, format).value();
}

TEST(Cel, EveryFormatComesBackEntryByEntry) {
    for (const std::string& list :
         {list_of_every_kind(), std::string(),
          testing::read_file(FIXTURES "/lists/linux-6.1.192_binary_runtime_measurements")}) {
        const auto entries = list::read_list(as_bytes(list)).value();
        for (const list::CelFormat format : kFormats) {
            const auto records = list::read_cel(written(entries, format), format);
            ASSERT_TRUE(records) << to_string(records.error());
            ASSERT_EQ(records->size(), entries.size());
            std::map<std::uint32_t, std::uint64_t> next;
            for (std::size_t i = 0; i < entries.size(); ++i) {
                const list::CelRecord& record = (*records)[i];
                EXPECT_EQ(record.pcr, entries[i].pcr);
                EXPECT_EQ(record.recnum, next[record.pcr]++);
                EXPECT_EQ(record.template_name, entries[i].template_name);
                EXPECT_TRUE(std::ranges::equal(record.template_data, entries[i].template_data));
                ASSERT_EQ(record.digests.size(), kBanks.size());
                for (const auto& [bank, digest] : record.digests)
                    EXPECT_EQ(digest, list::extend_value(entries[i], bank));
            }
        }
    }
}

TEST(Cel, TheBytesAreThoseOfTheSpecification) {
    const std::string data = "\x01\x02";
    const auto entry = encode_entry(13, "ima-buf", as_bytes(data));
    const auto entries = list::read_list(entry).value();
    const std::string digest = to_hex(hash(Algorithm::kSha1, as_bytes(data)));
    const auto made = [&](list::CelFormat format) {
        return list::write_cel(entries, {Algorithm::kSha1}, format).value();
    };
    EXPECT_EQ(to_hex(made(list::CelFormat::kTlv)),
              "00000000080000000000000000"  // recnum, eight bytes
              "01000000010d"                // PCR 13, one byte
              "03000000190400000014" +
                  digest +
                  "0700000013"
                  "0000000007696d612d627566"
                  "01000000020102");
    EXPECT_EQ(to_hex(made(list::CelFormat::kCbor)),
              "81a5"
              "0000"
              "010d"
              "0381a200040154" +
                  digest +
                  "0907"
                  "0aa200"
                  "67696d612d627566"
                  "01420102");
    const auto json = made(list::CelFormat::kJson);
    EXPECT_EQ(std::string(json.begin(), json.end()),
              "[\n{\"recnum\":0,\"pcr\":13,\"digests\":[{\"hashAlg\":\"sha1\",\"digest\":\"" +
                  digest +
                  "\"}],\"content_type\":\"ima_template\",\"content\":{\"template_name\":"
                  "\"ima-buf\",\"template_data\":\"0102\"}}\n]\n");
}

TEST(Cel, TruncatedAndChangedLogsAreRefusedOrSayWhatTheyHold) {
    const std::string list =
        testing::read_file(FIXTURES "/lists/linux-6.1.192_binary_runtime_measurements");
    auto entries = list::read_list(as_bytes(list)).value();
    entries.resize(2);
    for (const list::CelFormat format : kFormats) {
        const auto log = written(entries, format);
        const std::size_t first = written({entries[0]}, format).size();
        for (std::size_t size = 0; size + 3 < log.size(); size += testing::kStep) {
            const auto records = list::read_cel(Bytes(log).first(size), format);
            // A TLV log has no end of its own.
            const bool boundary = format == list::CelFormat::kTlv && (size == 0 || size == first);
            ASSERT_EQ(records.has_value(), boundary) << size;
        }
        for (std::size_t at = 0; at < log.size(); at += testing::kStep) {
            auto changed = log;
            changed[at] ^= 0x40;
            const auto records = list::read_cel(changed, format);
            if (!records) continue;
            ASSERT_EQ(records->size(), 2u);
        }
    }
}

TEST(Cel, NumbersMustCountAndBanksMustDiffer) {
    const auto refused = [](std::string_view json) {
        return !list::read_cel(as_bytes(json), list::CelFormat::kJson);
    };
    const auto record = [](int recnum, const std::string& digests, const std::string& more = "") {
        return "{\"recnum\":" + std::to_string(recnum) + ",\"pcr\":13,\"digests\":[" + digests +
               "],\"content_type\":\"ima_template\",\"content\":{\"template_name\":\"ima-buf\","
               "\"template_data\":\"00\"}" +
               more + "}";
    };
    const std::string sha1 = "{\"hashAlg\":\"sha1\",\"digest\":\"" + std::string(40, '0') + "\"}";
    EXPECT_FALSE(refused("[" + record(0, sha1) + "]"));
    EXPECT_FALSE(refused("[" + record(0, sha1) + "," + record(1, sha1) + "]"));
    EXPECT_TRUE(refused("[" + record(1, sha1) + "]"));
    EXPECT_TRUE(refused("[" + record(0, sha1) + "," + record(0, sha1) + "]"));
    EXPECT_TRUE(refused("[" + record(0, "") + "]"));
    EXPECT_TRUE(refused("[" + record(0, sha1 + "," + sha1) + "]"));
    EXPECT_TRUE(refused("[" + record(0, sha1, ",\"more\":1") + "]"));
    EXPECT_TRUE(refused("{}"));
    EXPECT_TRUE(refused(std::string(100000, '[')));
}

TEST(Cel, WhatItCannotSayIsRefused) {
    const auto odd = encode_entry(13, "a\nname", as_bytes("data"));
    EXPECT_FALSE(list::write_cel(list::read_list(odd).value(), kBanks, list::CelFormat::kCbor));
    const auto high = encode_entry(256, "ima-buf", as_bytes("data"));
    EXPECT_FALSE(list::write_cel(list::read_list(high).value(), kBanks, list::CelFormat::kTlv));
}

}  // namespace cel_test
}  // namespace keyscribe::measure
