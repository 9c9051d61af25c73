// SPDX-License-Identifier: Apache-2.0
#include "controller/base/output_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support.h"

namespace keyscribe {
namespace output_file_test {

namespace fs = std::filesystem;
using testing::read_file;
using testing::TempDir;

class OutputFileTest : public ::testing::Test {
  protected:
    fs::path at(const char* name) const { return directory_ / name; }
    std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(directory_.path()), fs::directory_iterator()));
    }
    TempDir directory_;
};

TEST_F(OutputFileTest, IsWholeOrAsItWas) {
    ASSERT_TRUE(write_file(at("file"), as_bytes("before")));
    {
        auto output = OutputFile::create(at("file"), kEverybodyReads);
        ASSERT_TRUE(output);
        ASSERT_TRUE(output->write(as_bytes("half")));
        EXPECT_EQ(read_file(at("file")), "before");
    }
    EXPECT_EQ(read_file(at("file")), "before");
    EXPECT_EQ(files(), 1u);
    ASSERT_TRUE(write_file(at("file"), as_bytes("after")));
    EXPECT_EQ(read_file(at("file")), "after");
    EXPECT_EQ(files(), 1u);
}

TEST_F(OutputFileTest, FollowsNoLink) {
    ASSERT_TRUE(write_file(at("precious"), as_bytes("precious")));
    fs::create_symlink(at("precious"), at("link"));
    const auto refused = write_file(at("link"), as_bytes("evidence"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().where, at("link"));
    EXPECT_EQ(read_file(at("precious")), "precious");
    fs::create_symlink(at("nothing"), at("dangling"));
    EXPECT_FALSE(write_file(at("dangling"), as_bytes("evidence")));
    EXPECT_FALSE(fs::exists(at("nothing")));
}

TEST_F(OutputFileTest, FollowsNoOtherUsersLinkToAFolder) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can make another user's link";
    fs::create_directories(at("etc"));
    fs::create_directories(at("home/below"));
    for (const char* link : {"home/ak", "home/below/up"}) {
        fs::create_directory_symlink(link == std::string("home/ak") ? at("etc") : "../ak",
                                     at(link));
        ASSERT_EQ(::lchown(at(link).c_str(), 0, 0), 0);
        EXPECT_TRUE(write_file(at(link) / "file", as_bytes("root's own link")));
        EXPECT_EQ(read_file(at("etc/file")), "root's own link");
        fs::remove(at("etc/file"));
        ASSERT_EQ(::lchown(at(link).c_str(), 1000, 1000), 0);
        const auto refused = write_file(at(link) / "file", as_bytes("evidence"));
        ASSERT_FALSE(refused);
        EXPECT_TRUE(refused.error().what.contains("another user's link")) << refused.error().what;
        EXPECT_FALSE(fs::exists(at("etc/file")));
        ASSERT_EQ(::lchown(at(link).c_str(), 0, 0), 0);
    }
    EXPECT_FALSE(write_file(at("home/none/file"), {}));
    EXPECT_FALSE(write_file(at("home/ak/../etc/../none/file"), {}));
    fs::create_directory_symlink("loop", at("loop"));
    EXPECT_FALSE(write_file(at("loop/file"), {}));
    EXPECT_TRUE(write_file(at("home/../home/below/../file"), as_bytes("x")));
}

TEST_F(OutputFileTest, ALinkThatComesLaterIsReplacedNotFollowed) {
    ASSERT_TRUE(write_file(at("precious"), as_bytes("precious")));
    auto output = OutputFile::create(at("file"), kEverybodyReads);
    ASSERT_TRUE(output);
    fs::create_symlink(at("precious"), at("file"));
    ASSERT_TRUE(output->write(as_bytes("evidence")));
    ASSERT_TRUE(output->put_into_place());
    EXPECT_EQ(read_file(at("precious")), "precious");
    EXPECT_EQ(read_file(at("file")), "evidence");
}

TEST_F(OutputFileTest, WaitsForNobodyAndReplacesNoDevice) {
    ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
    EXPECT_FALSE(write_file(at("fifo"), as_bytes("evidence")));
    EXPECT_FALSE(write_file("/dev/null", as_bytes("evidence")));
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
    EXPECT_FALSE(write_file(directory_.path(), as_bytes("evidence")));
    EXPECT_FALSE(write_file(at("no/such/folder"), as_bytes("evidence")));
    EXPECT_EQ(files(), 1u);
}

TEST_F(OutputFileTest, ASecretIsItsOwnersFromTheFirstByteOn) {
    const mode_t before = ::umask(0);
    // It takes the place of one that everybody reads: whoever has that open reads nothing new.
    ASSERT_TRUE(write_file(at("secret"), as_bytes("old")));
    ASSERT_TRUE(write_file(at("secret"), as_bytes("secret"), kOwnerReads));
    ASSERT_TRUE(write_file(at("page"), as_bytes("page")));
    ::umask(before);
    struct stat status{};
    ASSERT_EQ(::stat(at("secret").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    ASSERT_EQ(::stat(at("page").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0666u);
}

}  // namespace output_file_test
}  // namespace keyscribe
