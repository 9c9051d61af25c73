// SPDX-License-Identifier: Apache-2.0
// Who else uses the PCR, by real logs where there are any.
#include <gtest/gtest.h>

#include "controller/base/mapped_file.h"
#include "controller/cli/pcr_users.h"
#include "controller/host/measure/list_writer.h"
#include "controller/list/template_data.h"

namespace keyscribe::cli {
namespace doctor_test {

TEST(PcrUsers, TheFirmware) {
    const auto log =
        MappedFile::open(FIXTURES "/firmware/uki-6.12/binary_bios_measurements").value();
    // systemd-stub measured a system extension.
    const auto use = use_by_firmware(13, log.bytes());
    ASSERT_TRUE(use);
    EXPECT_NE(use->text.find("1 extend of it"), std::string::npos) << use->text;
    EXPECT_EQ(use->remedy, "");
    EXPECT_FALSE(use_by_firmware(15, log.bytes()));
    // More than an appraisal explains.
    EXPECT_NE(use_by_firmware(4, log.bytes()).value().remedy, "");
    EXPECT_FALSE(use_by_firmware(13, as_bytes("no log")));
}

std::string measured(unsigned pcr, const char* type) {
    return "\x1e{\"pcr\":" + std::to_string(pcr) +
           ",\"digests\":[],\"content_type\":\"systemd\",\"content\":{\"string\":\"x\","
           "\"eventType\":\"" +
           type + "\"}}\n";
}

TEST(PcrUsers, Systemd) {
    const std::string log = measured(13, "os-separator") + measured(12, "os-separator") +
                            measured(15, "machine-id") + measured(15, "filesystem") +
                            measured(15, "filesystem") +
                            "\x1e{\"nv_index\":30474755,\"digests\":[]}\n\x1e{\"pcr\":";
    const auto separator = use_by_systemd(13, log);
    ASSERT_TRUE(separator);
    EXPECT_NE(separator->text.find("os-separator"), std::string::npos);
    EXPECT_EQ(separator->remedy, "");
    const auto others = use_by_systemd(15, log);
    ASSERT_TRUE(others);
    EXPECT_NE(others->text.find("3 extends of it (machine-id, filesystem)"), std::string::npos)
        << others->text;
    EXPECT_NE(others->remedy, "");
    EXPECT_FALSE(use_by_systemd(14, log));
    EXPECT_FALSE(use_by_systemd(13, ""));
    EXPECT_FALSE(use_by_systemd(13, "\x1e[13]\x1e{\"pcr\":\"13\"}\x1e{\"pcr\":-13}"));
}

TEST(PcrUsers, Pcrlock) {
    const char* policy = R"({"pcrBank":"sha256","nvIndex":25165824,
        "pcrValues":[{"pcr":7,"values":["00"]},{"pcr":13,"values":["00"]}]})";
    const auto use = use_by_pcrlock(13, policy);
    ASSERT_TRUE(use);
    EXPECT_EQ(use->remedy, "systemd-pcrlock make-policy --pcr=..., without 13");
    EXPECT_FALSE(use_by_pcrlock(12, policy));
    EXPECT_FALSE(use_by_pcrlock(13, "[]"));
    EXPECT_FALSE(use_by_pcrlock(13, "{\"pcrValues\":{}}"));
    EXPECT_FALSE(use_by_pcrlock(13, ""));
}

TEST(PcrUsers, Ima) {
    WipedBytes list;
    const auto add = [&list](unsigned pcr) {
        const auto entry =
            measure::encode_entry(pcr, "ima-buf", list::encode_ima_buf("name", as_bytes("x")));
        list.insert(list.end(), entry.begin(), entry.end());
    };
    add(10);
    EXPECT_FALSE(use_by_ima(10, list));  // boot_aggregate alone
    EXPECT_FALSE(use_by_ima(13, list));
    add(10);
    add(13);
    EXPECT_NE(use_by_ima(10, list).value().text.find("2 extends"), std::string::npos);
    EXPECT_TRUE(use_by_ima(13, list));
    EXPECT_FALSE(use_by_ima(13, as_bytes("no list")));
}

}  // namespace doctor_test
}  // namespace keyscribe::cli
