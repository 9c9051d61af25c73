// SPDX-License-Identifier: Apache-2.0
// What a manufacturer put beside the endorsement key's certificate, written with tpm2-tools.
#include <gtest/gtest.h>

#include "controller/host/attest/ak.h"
#include "controller/host/attest/endorsement.h"
#include "support.h"

namespace keyscribe::attest {
namespace ek_chain_test {

using testing::TempDir;

class EkChain : public ::testing::Test {
  protected:
    void run(const std::string& command) {
        const auto output = testing::run("cd " + folder_.path().string() + " && " + command);
        ASSERT_EQ(output.status, 0) << command << output.text;
    }
    std::string certificate(const std::string& name) {
        run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key "
            "-subj /CN=" +
            name + " -outform DER -out " + name);
        return testing::read_file(folder_ / name);
    }
    void put(const std::string& index, const std::string& content, std::size_t size = 0) {
        testing::write_file(folder_ / "content", content);
        const std::string at = " -T " + swtpm_.tcti() + " -Q -C o ";
        run("tpm2_nvdefine" + at + "-s " + std::to_string(std::max(size, content.size())) +
            " -a 'ownerwrite|authread|ownerread' " + index);
        run("tpm2_nvwrite" + at + "-i content " + index);
    }
    std::vector<std::string> chain() {
        auto tpm = swtpm_.open();
        const auto read = read_ek_chain(tpm);
        if (!read) throw std::runtime_error(to_string(read.error()));
        std::vector<std::string> texts;
        for (const auto& one : *read) texts.emplace_back(as_text(one));
        return texts;
    }

    testing::Swtpm swtpm_;
    TempDir folder_;
};

TEST_F(EkChain, ATpmMayHaveNone) {
    EXPECT_TRUE(chain().empty());
    put("0x01c00200", certificate("beyond"));
    put("0x01c0000a", certificate("the-key-itself"));
    EXPECT_TRUE(chain().empty());
}

TEST_F(EkChain, ItGoesOverSeveralIndicesAndEndsBeforeWhatIsNone) {
    const std::string a = certificate("a"), b = certificate("b"), c = certificate("c");
    const std::string all = a + b;
    put("0x01c00100", all.substr(0, a.size() + 100));
    put("0x01c00101", all.substr(a.size() + 100) + c, 1500);
    EXPECT_EQ(chain(), (std::vector{a, b, c}));
}

TEST_F(EkChain, ACertificateThatIsCutIsNone) {
    const std::string a = certificate("a");
    put("0x01c00100", a + a.substr(0, a.size() - 1));
    EXPECT_EQ(chain(), std::vector{a});
}

TEST_F(EkChain, WhetherAnAttestationKeyIsThere) {
    auto tpm = swtpm_.open();
    constexpr std::uint32_t kHandle = 0x8101004b;
    EXPECT_FALSE(has_ak(tpm, kHandle).value());
    ASSERT_TRUE(create_ak(tpm, kHandle, "ecc", EkAlgorithm::kEcc, false));
    EXPECT_TRUE(has_ak(tpm, kHandle).value());
    EXPECT_FALSE(has_ak(tpm, kHandle - 1).value());
}

}  // namespace ek_chain_test
}  // namespace keyscribe::attest
