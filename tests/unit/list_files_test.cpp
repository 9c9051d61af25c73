// SPDX-License-Identifier: Apache-2.0
// The list's share of its file system.
#include <gtest/gtest.h>

#include "controller/host/measure/list_writer.h"
#include "controller/list/list_reader.h"
#include "controller/list/template_data.h"
#include "support.h"

namespace keyscribe::measure {
namespace list_files_test {

std::array<NewEntry, 1> entry(std::size_t size) {
    return {
        NewEntry{13, "ima-buf", list::encode_ima_buf("ring", as_bytes(std::string(size, 'x')))}};
}

class ListFilesTest : public ::testing::Test {
  protected:
    std::filesystem::path text_path() const { return directory_ / ListFiles::kText; }
    std::size_t entries() const {
        const std::string list = testing::read_file(directory_ / ListFiles::kBinary);
        return list::read_list(as_bytes(list)).value().size();
    }
    testing::TempDir directory_;
};

TEST_F(ListFilesTest, GivesUpTheTextFormAndThenRefuses) {
    auto files = ListFiles::open(directory_).value();
    files.set_limit(10'000);
    ASSERT_TRUE(files.append(entry(1000)));
    EXPECT_TRUE(exists(text_path()));
    ASSERT_TRUE(files.append(entry(5000)));
    EXPECT_FALSE(exists(text_path()));
    EXPECT_TRUE(exists(directory_ / ListFiles::kNoText));
    const auto refused = files.append(entry(5000));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("has reached its limit"), std::string::npos);
    EXPECT_EQ(entries(), 2u);
    EXPECT_TRUE(files.is_untouched());
    // There is room for a small one, and after a restart too.
    ASSERT_TRUE(files.append(entry(10)));
    auto again = ListFiles::open(directory_).value();
    EXPECT_EQ(again.size(), files.size());
    ASSERT_TRUE(again.append(entry(10)));
    EXPECT_FALSE(exists(text_path()));
    EXPECT_EQ(entries(), 4u);
}

TEST_F(ListFilesTest, ATextFormIsNotBegunInTheMiddle) {
    ASSERT_TRUE(ListFiles::choose_text(directory_, false, UINT64_MAX));
    ASSERT_TRUE(ListFiles::open(directory_).value().append(entry(10)));
    ASSERT_TRUE(ListFiles::choose_text(directory_, true, UINT64_MAX));
    auto files = ListFiles::open(directory_).value();
    ASSERT_TRUE(files.append(entry(10)));
    EXPECT_FALSE(exists(text_path()));
    // The next list may have one.
    std::filesystem::remove(directory_ / ListFiles::kBinary);
    ASSERT_TRUE(ListFiles::choose_text(directory_, true, UINT64_MAX));
    ASSERT_TRUE(ListFiles::open(directory_).value().append(entry(10)));
    EXPECT_TRUE(exists(text_path()));
}

TEST_F(ListFilesTest, KnowsItsFileSystem) {
    const auto capacity = std::filesystem::space(directory_).capacity;
    EXPECT_EQ(share_of_file_system(directory_, 50), capacity / 100 * 50);
    EXPECT_EQ(share_of_file_system("/nowhere/at/all", 50), UINT64_MAX);
}

}  // namespace list_files_test
}  // namespace keyscribe::measure
