// SPDX-License-Identifier: Apache-2.0
// Evidence, lists, states and policies are read into memory that nobody else can change.
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "controller/base/mapped_file.h"
#include "support.h"

namespace keyscribe::base {
namespace private_memory_test {

using testing::TempDir;

TEST(PrivateMemory, WhatWasReadDoesNotChange) {
    const TempDir directory;
    const std::string before(1 << 20, 'a');
    testing::write_file(directory / "file", before);
    const auto read = MappedFile::open(directory / "file");
    ASSERT_TRUE(read);
    std::fstream file(directory / "file", std::ios::in | std::ios::out | std::ios::binary);
    file << std::string(1 << 20, 'b') << std::flush;
    EXPECT_TRUE(std::ranges::equal(read->bytes(), as_bytes(before)));
    std::filesystem::resize_file(directory / "file", 0);
    EXPECT_TRUE(std::ranges::equal(read->bytes(), as_bytes(before)));
}

/// Somebody cuts the file and fills it again all the time: it is read whole, or refused.
TEST(PrivateMemory, AFileThatIsCutWhileItIsReadIsRefused) {
    const TempDir directory;
    const std::string path = (directory / "file").string();
    const std::string whole(4 << 20, 'a');
    testing::write_file(path, whole);
    std::size_t refused = 0;
    {
        std::jthread writer([&](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                std::filesystem::resize_file(path, 100);
                std::filesystem::resize_file(path, whole.size());
            }
        });
        constexpr int kAtMost = 1'000'000;
        for (int i = 0; i < 300 || (refused == 0 && i < kAtMost); ++i) {
            const auto read = MappedFile::open(path);
            if (!read) {
                ++refused;
                EXPECT_NE(read.error().what.find("changed"), std::string::npos);
            } else {
                EXPECT_TRUE(read->bytes().size() == 100 || read->bytes().size() == whole.size());
            }
        }
    }
    EXPECT_GT(refused, 0u);
}

/// Of 1 PiB, if somebody likes: it takes no place on a disk.
TEST(PrivateMemory, AFileWithAHoleIsNotReadIntoMoreMemoryThanThereIs) {
    const TempDir directory;
    const auto file = directory / "file";
    testing::write_file(file, "");
    std::filesystem::resize_file(file, MappedFile::kMost + 1);
    const auto read = MappedFile::open(file);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().what, "the file has more than 1024 MiB");
    std::filesystem::resize_file(file, 101);
    EXPECT_FALSE(MappedFile::open(file, 100));
    EXPECT_TRUE(MappedFile::open(file, 101));
}

/// The kernel says that its files are empty.
TEST(PrivateMemory, AFileOfTheKernelsIsReadToItsEnd) {
    const auto read = MappedFile::open("/proc/self/status");
    ASSERT_TRUE(read) << to_string(read.error());
    EXPECT_TRUE(as_text(read->bytes()).starts_with("Name:"));
}

}  // namespace private_memory_test
}  // namespace keyscribe::base
