// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/list_mender.h"

#include <gtest/gtest.h>

#include "controller/list/list_reader.h"
#include "controller/list/template_data.h"
#include "support.h"

namespace keyscribe::measure {
namespace list_mender_test {

class ListMenderTest : public ::testing::Test {
  protected:
    void SetUp() override {
        auto files = ListFiles::open(directory_);
        ASSERT_TRUE(files);
        const auto aggregate = hash(Algorithm::kSha256, as_bytes("PCR 0 to 9"));
        ASSERT_TRUE(files->append(std::array{
            NewEntry{13, "ima-ng",
                     list::encode_ima_ng(Algorithm::kSha256, aggregate, "boot_aggregate")},
            NewEntry{13, "ima-buf", list::encode_ima_buf(".ima", as_bytes("a key"))},
            NewEntry{13, "ima-buf",
                     list::encode_ima_buf("odd \\ \xff name", as_bytes("another"))}}));
        before_last_ = files->size();
        ASSERT_TRUE(files->append(std::array{
            NewEntry{13, "ima-buf", list::encode_ima_buf("keyscribe:x", as_bytes("\xa0"))}}));
        binary_ = testing::read_file(binary_path());
        text_ = testing::read_file(text_path());
    }
    std::filesystem::path binary_path() const { return directory_ / ListFiles::kBinary; }
    std::filesystem::path text_path() const { return directory_ / ListFiles::kText; }

    Mended mend(const std::string& binary, const std::string& text,
                std::optional<std::uint64_t> before = {}, std::uint64_t after = 0) {
        testing::write_file(binary_path(), binary);
        testing::write_file(text_path(), text);
        auto mended = mend_list(directory_, before, after);
        EXPECT_TRUE(mended);
        return mended ? *mended : Mended{};
    }
    void expect_whole(const std::string& what) {
        EXPECT_TRUE(testing::read_file(binary_path()) == binary_) << what;
        EXPECT_TRUE(testing::read_file(text_path()) == text_) << what;
    }

    testing::TempDir directory_;
    std::string binary_, text_;
    std::uint64_t before_last_ = 0;
};

TEST(EntryOfLine, TheKernelsAggregateHasNoSignature) {
    const auto digest = hash(Algorithm::kSha256, as_bytes("PCR 0 to 9"));
    auto data = list::encode_ima_ng(Algorithm::kSha256, digest, "boot_aggregate");
    data.resize(data.size() + 4);
    const auto stored = hash(Algorithm::kSha1, data);
    std::string line = text_line(10, stored, "ima-sig", data);
    line.pop_back();
    const auto entry = entry_of_line(line);
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->template_name, "ima-sig");
    EXPECT_TRUE(std::ranges::equal(entry->template_data, data));
    EXPECT_FALSE(entry_of_line(line + "00"));
}

TEST_F(ListMenderTest, AGoodListStaysAsItIs) {
    const Mended mended = mend(binary_, text_, binary_.size(), binary_.size());
    EXPECT_EQ(mended.size, binary_.size());
    EXPECT_EQ(mended.torn, 0u);
    EXPECT_TRUE(mended.findings.empty());
    expect_whole("");
}

TEST_F(ListMenderTest, WithoutATextFormAHalfWriteIsTakenBack) {
    ASSERT_TRUE(ListFiles::choose_text(directory_, false, UINT64_MAX));
    EXPECT_FALSE(exists(text_path()));
    testing::write_file(binary_path(), binary_.substr(0, binary_.size() - 3));
    const auto torn = mend_list(directory_, before_last_, binary_.size());
    ASSERT_TRUE(torn);
    EXPECT_EQ(torn->size, before_last_);
    EXPECT_TRUE(torn->findings.empty());
    EXPECT_TRUE(testing::read_file(binary_path()) == binary_.substr(0, before_last_));
    EXPECT_FALSE(exists(text_path()));

    testing::write_file(binary_path(), binary_.substr(0, before_last_ - 1));
    const auto cut = mend_list(directory_, before_last_, before_last_);
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->findings.size(), 1u);
}

TEST_F(ListMenderTest, EntriesLargerThanWhatIsReadAtOnceAreMendedToo) {
    {
        auto files = ListFiles::open(directory_);
        ASSERT_TRUE(files);
        for (const std::size_t size : {4000u, 100'000u, 3'000'000u, 10u})
            ASSERT_TRUE(files->append(std::array{NewEntry{
                13, "ima-buf", list::encode_ima_buf("ring", as_bytes(std::string(size, 'x')))}}));
    }
    binary_ = testing::read_file(binary_path());
    text_ = testing::read_file(text_path());
    const std::uint64_t size = binary_.size();
    EXPECT_EQ(mend(binary_, text_, size, size).size, size);
    std::string changed = binary_;
    changed[changed.size() - 1000] ^= 1;
    const Mended mended = mend(changed, text_, size, size);
    EXPECT_EQ(mended.size, size);
    EXPECT_EQ(mended.findings.size(), 1u);
    expect_whole("large entries");
}

TEST_F(ListMenderTest, EveryFlippedBitIsFoundAndRepaired) {
    // Any step that is odd comes past every bit of a byte.
    for (std::size_t bit = 0; bit < 8 * binary_.size(); bit += 11 * testing::kStep) {
        std::string changed = binary_;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
        const Mended mended = mend(changed, text_, binary_.size(), binary_.size());
        EXPECT_EQ(mended.findings.size(), 1u) << bit;
        EXPECT_EQ(mended.size, binary_.size()) << bit;
        expect_whole("bit " + std::to_string(bit) + " of the binary form");
    }
    for (std::size_t bit = 0; bit < 8 * text_.size(); bit += 37 * testing::kStep) {
        std::string changed = text_;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
        const Mended mended = mend(binary_, changed, binary_.size(), binary_.size());
        EXPECT_GE(mended.findings.size(), 1u) << bit;
        expect_whole("bit " + std::to_string(bit) + " of the text");
    }
}

TEST_F(ListMenderTest, WhatWasCutComesFromTheOtherForm) {
    for (std::size_t left = 0; left < binary_.size(); left += testing::kStep) {
        EXPECT_EQ(
            mend(binary_.substr(0, left), text_, binary_.size(), binary_.size()).findings.size(),
            1u);
        expect_whole("binary form of " + std::to_string(left) + " bytes");
    }
    for (std::size_t left = 0; left < text_.size(); left += 7 * testing::kStep) {
        EXPECT_GE(
            mend(binary_, text_.substr(0, left), binary_.size(), binary_.size()).findings.size(),
            1u);
        expect_whole("text of " + std::to_string(left) + " bytes");
    }
}

TEST_F(ListMenderTest, AWriteThatDiedIsCompletedOrTakenBack) {
    const std::uint64_t size = binary_.size();
    const std::string binary_before = binary_.substr(0, before_last_);
    const std::string text_before = text_.substr(0, text_.rfind('\n', text_.size() - 2) + 1);
    // The text is written first.
    for (std::size_t left = text_before.size(); left < text_.size(); left += testing::kStep) {
        const Mended mended = mend(binary_before, text_.substr(0, left), before_last_, size);
        EXPECT_EQ(mended.size, before_last_);
        EXPECT_TRUE(mended.findings.empty());
        EXPECT_TRUE(testing::read_file(text_path()) == text_before);
    }
    for (std::size_t left = before_last_; left <= size; left += testing::kStep) {
        const Mended mended = mend(binary_.substr(0, left), text_, before_last_, size);
        EXPECT_EQ(mended.size, size);
        EXPECT_TRUE(mended.findings.empty());
        expect_whole("");
    }
    // Several entries at one go: all or none.
    const std::size_t first_line = text_.find('\n') + 1;
    const Mended mended = mend("", text_.substr(0, first_line + 10), 0, size);
    EXPECT_EQ(mended.size, 0u);
    EXPECT_EQ(testing::read_file(text_path()), "");
}

TEST_F(ListMenderTest, WhatNothingCanRepairIsCutOffAndTold) {
    std::string changed = binary_, changed_text = text_;
    changed[60] = static_cast<char>(~changed[60]);
    changed_text[60] = 'x';
    const Mended mended = mend(changed, changed_text, binary_.size(), binary_.size());
    EXPECT_EQ(mended.size, 0u);
    EXPECT_EQ(mended.findings.size(), 1u);
}

}  // namespace list_mender_test
}  // namespace keyscribe::measure
