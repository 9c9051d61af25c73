// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/journal.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "controller/base/mapped_file.h"

namespace keyscribe {
namespace journal_test {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kBoot = "3f2b8a60-0000-4000-8000-00000000000a";

class JournalTest : public ::testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/keyscribe-journal-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        directory_ = name;
        file_ = directory_ / kBoot / "events.jsonl";
    }
    void TearDown() override { fs::remove_all(directory_); }

    measure::Journal open(std::uint64_t max_size = 1 << 20, unsigned files = 3) {
        auto journal = measure::Journal::open(directory_, kBoot, max_size, files);
        EXPECT_TRUE(journal) << to_string(journal.error());
        return std::move(*journal);
    }

    static std::vector<json> lines_of(const fs::path& file) {
        std::vector<json> lines;
        std::ifstream stream(file);
        for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
        return lines;
    }

    fs::path old(unsigned number) const { return file_.string() + '.' + std::to_string(number); }

    void put(const fs::path& file, std::size_t size, int hours_ago) {
        fs::create_directories(file.parent_path());
        std::ofstream(file) << std::string(size, 'x');
        fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(hours_ago));
    }

    fs::path directory_, file_;
};

TEST_F(JournalTest, ALineAnEvent) {
    measure::Journal journal = open();
    ASSERT_TRUE(journal.append({{"seq", 1}, {"name", "two\nlines \"quoted\""}}));
    ASSERT_TRUE(journal.append({{"seq", 2}}));
    const auto lines = lines_of(file_);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0]["name"], "two\nlines \"quoted\"");
    EXPECT_EQ(lines[1]["seq"], 2);
    struct stat status{};
    ASSERT_EQ(::stat(file_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777 & ~0640u, 0u);
}

TEST_F(JournalTest, GoesOnWhereAnEarlierProcessStopped) {
    {
        ASSERT_TRUE(open().append({{"seq", 1}}));
    }
    measure::Journal journal = open(40);
    ASSERT_TRUE(journal.append({{"seq", 2}}));
    EXPECT_EQ(lines_of(file_).size(), 2u);
    for (int i = 3; i < 6; ++i) ASSERT_TRUE(journal.append({{"seq", i}}));
    EXPECT_EQ(lines_of(old(1))[0]["seq"], 1);
}

TEST_F(JournalTest, RotationIsBoundedAndKeepsTheNewest) {
    measure::Journal journal = open(100, 3);
    const std::string filler(30, 'f');
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(journal.append({{"filler", filler}, {"seq", i}}));
    std::vector<int> kept;
    for (const fs::path& file : {old(3), old(2), old(1), file_}) {
        EXPECT_LE(fs::file_size(file), 100u);
        for (const json& line : lines_of(file)) kept.push_back(line["seq"]);
    }
    EXPECT_FALSE(fs::exists(old(4)));
    ASSERT_FALSE(kept.empty());
    for (std::size_t i = 0; i < kept.size(); ++i)  // the last ones, without a gap
        EXPECT_EQ(kept[i], 100 - static_cast<int>(kept.size() - i));
}

TEST_F(JournalTest, ALineLongerThanAFileIsWrittenWhole) {
    measure::Journal journal = open(100, 2);
    const std::string longer(1000, 'l');
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(journal.append({{"l", longer}}));
    EXPECT_EQ(lines_of(file_)[0]["l"], longer);
    EXPECT_EQ(lines_of(old(2))[0]["l"], longer);
}

TEST_F(JournalTest, FormerBootsAreBoundedAndOtherFilesStay) {
    const std::string former = "3f2b8a60-0000-4000-8000-00000000000";
    put(directory_ / (former + "1") / "events.jsonl", 900, 30);
    put(directory_ / (former + "2") / "events.jsonl.1", 900, 20);
    put(directory_ / (former + "2") / "events.jsonl", 900, 19);
    put(directory_ / (former + "3") / "events.jsonl", 900, 10);
    put(directory_ / (former + "1") / "notes", 5000, 40);
    put(directory_ / (former + "1") / "events.jsonl.keep", 5000, 40);
    put(directory_ / "archive" / "events.jsonl", 5000, 40);
    open(1000, 2);  // 2000 bytes of former boots may stay
    EXPECT_FALSE(fs::exists(directory_ / (former + "1") / "events.jsonl"));
    EXPECT_FALSE(fs::exists(directory_ / (former + "2") / "events.jsonl.1"));
    EXPECT_TRUE(fs::exists(directory_ / (former + "2") / "events.jsonl"));
    EXPECT_TRUE(fs::exists(directory_ / (former + "3") / "events.jsonl"));
    EXPECT_TRUE(fs::exists(directory_ / (former + "1") / "notes"));
    EXPECT_TRUE(fs::exists(directory_ / (former + "1") / "events.jsonl.keep"));
    EXPECT_TRUE(fs::exists(directory_ / "archive" / "events.jsonl"));
}

TEST_F(JournalTest, ADiskThatIsFullTearsNoLine) {
    measure::Journal journal = open();
    ASSERT_TRUE(journal.append({{"seq", 1}}));
    // The kernel cuts a write(2) at RLIMIT_FSIZE as it does where the disk is full.
    rlimit former{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit tight{fs::file_size(file_) + 5, former.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    const auto failed = journal.append({{"seq", 2}});
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &former), 0);
    std::signal(SIGXFSZ, handler);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().where, file_);
    ASSERT_TRUE(journal.append({{"seq", 3}}));
    const auto lines = lines_of(file_);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[1]["seq"], 3);
}

TEST_F(JournalTest, ARotationThatFailsLosesNoOldFile) {
    measure::Journal journal = open(20, 2);
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(journal.append({{"seq", i}}));
    const auto oldest = lines_of(old(1));
    rlimit former{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &former), 0);
    const rlimit none{0, former.rlim_max};
    // UndefinedBehaviorSanitizer needs a file descriptor when it sees a class for the first time,
    // here that of errors.
    ASSERT_FALSE(MappedFile::open("/nowhere/at/all"));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 50; ++i) (void)journal.append({{"seq", 100}, {"filler", "filler"}});
    const auto failed = journal.append({{"seq", 100}, {"filler", "filler"}});
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &former), 0);
    EXPECT_FALSE(failed);
    EXPECT_EQ(lines_of(old(2)), oldest);
    ASSERT_TRUE(journal.append({{"seq", 200}}));
    EXPECT_EQ(lines_of(file_).back()["seq"], 200);
}

TEST_F(JournalTest, AnUnusableFolderIsAnError) {
    std::ofstream(directory_ / "file") << "x";
    const auto journal = measure::Journal::open(directory_ / "file", kBoot, 1 << 20, 2);
    ASSERT_FALSE(journal);
    EXPECT_TRUE(journal.error().where.starts_with((directory_ / "file").string()));
}

TEST(KernelString, IsItselfOrHex) {
    EXPECT_EQ(measure::kernel_string(".ima"), json(".ima"));
    EXPECT_EQ(measure::kernel_string(""), json(""));
    EXPECT_EQ(measure::kernel_string("Schlüssel \xf0\x9f\x94\x91"),
              json("Schlüssel \xf0\x9f\x94\x91"));
    EXPECT_EQ(measure::kernel_string("a\n\x1b\"\\"), json("a\n\x1b\"\\"));
    EXPECT_EQ(measure::kernel_string("\xff\xfe"), json({{"hex", "fffe"}}));
    EXPECT_EQ(measure::kernel_string("ab\xc3"), json({{"hex", "6162c3"}}));        // cut short
    EXPECT_EQ(measure::kernel_string("\xc0\xaf"), json({{"hex", "c0af"}}));        // overlong
    EXPECT_EQ(measure::kernel_string("\xed\xa0\x80"), json({{"hex", "eda080"}}));  // a surrogate
    // Whatever the bytes, the line can be written and read again.
    for (int byte = 0; byte < 256; ++byte) {
        const json text = measure::kernel_string(std::string(1, static_cast<char>(byte)));
        EXPECT_EQ(json::parse(text.dump()), text);
        EXPECT_EQ(text.dump().find('\n'), std::string::npos);
    }
}

TEST(EventJson, HasNoPayload) {
    events::KeyEvent event;
    event.sequence = 7;
    event.operation = KS_OP_UPDATE;
    event.key_type = "asymmetric";
    event.description = std::string("a\xff", 2);
    event.keyring.name = ".ima";
    event.actor.login_uid = UINT32_MAX;
    for (const char byte : std::string_view("abc"))
        event.payload.push_back(static_cast<std::uint8_t>(byte));
    event.payload_length = 3;
    const json line = measure::to_json(event);
    EXPECT_EQ(line["seq"], 7);
    EXPECT_EQ(line["op"], "update");
    EXPECT_EQ(line["key"]["description"], json({{"hex", "61ff"}}));
    EXPECT_TRUE(line["actor"]["login_uid"].is_null());
    // printf abc | sha256sum
    EXPECT_EQ(
        line["payload"],
        json({{"length", 3},
              {"sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}));
}

}  // namespace journal_test
}  // namespace keyscribe
