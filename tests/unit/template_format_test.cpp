// SPDX-License-Identifier: Apache-2.0
// Template data of each template that a kernel can write, and of those that ima_template_fmt=
// names.
#include "controller/list/template_format.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace keyscribe::list {
namespace template_format_test {

using namespace std::string_literals;

/// Fields, each with its length before it.
std::vector<std::uint8_t> data_of(const std::vector<std::string>& fields) {
    std::vector<std::uint8_t> data;
    for (const std::string& field : fields) {
        for (int shift = 0; shift < 32; shift += 8)
            data.push_back(static_cast<std::uint8_t>(field.size() >> shift));
        data.insert(data.end(), field.begin(), field.end());
    }
    return data;
}

const std::string kDigest(32, 'd');
const std::string kDNg = "sha256:\0"s + kDigest;
const std::string kName = "/bin/x\0"s;

TEST(TemplateFormat, EveryTemplateOfTheKernels) {
    const std::vector<std::pair<std::string, std::vector<std::string>>> all{
        {"ima-ng", {kDNg, kName}},
        {"ima-sig", {kDNg, kName, "s"}},
        {"ima-buf", {kDNg, kName, "b"}},
        {"ima-ngv2", {"ima:" + kDNg, kName}},
        {"ima-sigv2", {"verity:" + kDNg, kName, "s"}},
        {"ima-modsig", {kDNg, kName, "", kDNg, "m"}},
        {"evm-sig", {kDNg, kName, "e", "security.ima", "1234", "v", "1234", "1234", "12"}},
    };
    for (const auto& [name, fields] : all) {
        const auto data = data_of(fields);
        const auto parts = decode_fields(name, data);
        ASSERT_TRUE(parts) << name << to_string(parts.error());
        EXPECT_EQ(parts->algorithm, "sha256") << name;
        EXPECT_EQ(as_text(parts->digest), kDigest) << name;
        EXPECT_EQ(parts->name, "/bin/x") << name;
        for (std::size_t cut = 0; cut < data.size(); cut++)
            EXPECT_FALSE(decode_fields(name, Bytes(data).first(cut))) << name << cut;
        auto longer = data;
        longer.push_back(0);
        EXPECT_FALSE(decode_fields(name, longer)) << name;
    }
    const auto evm = data_of(all.back().second);
    EXPECT_EQ(as_text(*decode_fields("evm-sig", evm)->evmsig), "e");
    EXPECT_FALSE(decode_fields("evm-sig", evm)->sig);
    const auto modsig = data_of(all[5].second);
    EXPECT_EQ(as_text(*decode_fields("ima-modsig", modsig)->modsig), "m");
    EXPECT_TRUE(decode_fields("ima-modsig", modsig)->sig->empty());
    const auto verity = data_of(all[4].second);
    EXPECT_EQ(decode_fields("ima-sigv2", verity)->type, "verity");
}

TEST(TemplateFormat, TheFirstTemplateHasNoLengthBeforeItsDigest) {
    std::vector<std::uint8_t> data(20, 'd');
    const auto name = data_of({"boot_aggregate"});
    data.insert(data.end(), name.begin(), name.end());
    const auto parts = decode_fields("ima", data);
    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->algorithm, "sha1");
    EXPECT_EQ(parts->name, "boot_aggregate");
    EXPECT_FALSE(decode_fields("ima", Bytes(data).first(19)));
}

TEST(TemplateFormat, TemplatesOfImaTemplateFmtAreReadByTheirFields) {
    const std::string sha1(20, 'o');
    const auto data = data_of({kName, "s", sha1, "ima:" + kDNg, "1234"});
    const auto parts = decode_fields("n|sig|d|d-ngv2|iuid", data);
    ASSERT_TRUE(parts) << to_string(parts.error());
    EXPECT_EQ(parts->name, "/bin/x");
    EXPECT_EQ(parts->algorithm, "sha256") << "d-ngv2 says more than d";
    EXPECT_EQ(as_text(*parts->sig), "s");
    EXPECT_EQ(decode_fields("d|n", data_of({sha1, kName}))->algorithm, "sha1");
    EXPECT_EQ(decode_fields("d|n", data_of({std::string(16, 'm'), kName}))->algorithm, "md5");
    EXPECT_TRUE(decode_fields("n-ng|sig", data_of({kName, "s"}))->algorithm.empty());
}

TEST(TemplateFormat, WhatNoKernelWritesIsRefused) {
    for (const char* name : {"", "ima-new", "d-ng|", "|d-ng", "d-ng|n-ng|nonsense", "n-ng|n-ng"})
        EXPECT_FALSE(decode_fields(name, data_of({kDNg, kName, "s"}))) << name;
    for (const std::string& digest :
         {"sha256"s + kDigest, "sha256:"s + kDigest, ":\0"s + kDigest, "ima:" + kDNg, ""s})
        EXPECT_FALSE(decode_fields("ima-ng", data_of({digest, kName})));
    EXPECT_FALSE(decode_fields("ima-ngv2", data_of({kDNg, kName})));
    for (const std::string& name : {""s, "x"s, "x\0y\0"s})
        EXPECT_FALSE(decode_fields("ima-ng", data_of({kDNg, name})));
    EXPECT_FALSE(decode_fields("d|n", data_of({std::string(32, 'x'), kName})));
}

}  // namespace template_format_test
}  // namespace keyscribe::list
