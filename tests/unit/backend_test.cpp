// SPDX-License-Identifier: Apache-2.0
// TPM and list opened together, while somebody removes the list.
#include "controller/host/measure/backend.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "controller/list/list_reader.h"
#include "controller/list/template_data.h"
#include "support.h"

namespace keyscribe::measure {
namespace backend_test {

constexpr unsigned kPcr = 13;

class BackendTest : public ::testing::Test {
  protected:
    BackendTest() {
        config_.list.directory = directory_ / "run";
        config_.tpm.pcr = kPcr;
        config_.tpm.tcti = swtpm_.tcti();
        std::filesystem::create_directories(config_.list.directory);
        backend_.emplace(config_, status_, std::nullopt);
        spdlog::set_level(spdlog::level::off);
    }
    ~BackendTest() override { spdlog::set_level(spdlog::level::info); }

    /// Opens until it succeeds: what is removed meanwhile is an error that asks for another try.
    Opened open() {
        for (;;)
            if (auto opened = backend_->open()) return std::move(*opened);
    }
    void append() {
        const std::array entry{NewEntry{
            kPcr, "ima-buf", list::encode_ima_buf("ring", as_bytes(std::to_string(appended_)))}};
        while (backend_->append(entry) == Appended::kNothing) open();
        ++appended_;
    }
    void remove_all() const { std::filesystem::remove_all(config_.list.directory); }

    /// All that was appended is there, and gives the PCR.
    void expect_whole() {
        backend_->close();  // the TPM has room for one client
        const std::string list = testing::read_file(config_.list.directory / ListFiles::kBinary);
        const auto entries = list::read_list(as_bytes(list)).value();
        EXPECT_EQ(entries.size(), appended_);
        const auto banks = swtpm_.open().banks(kPcr).value();
        list::Replay replay(banks);
        for (const auto& entry : entries) replay.add(entry);
        for (const Algorithm bank : banks)
            EXPECT_EQ(swtpm_.pcrread(kPcr, bank), to_hex(replay.value(kPcr, bank)));
    }

    testing::Swtpm swtpm_;
    testing::TempDir directory_;
    settings::Config config_;
    status::SharedStatus status_;
    std::optional<Backend> backend_;
    std::size_t appended_ = 0;
};

TEST_F(BackendTest, AListThatIsRemovedOnceMoreWhileItIsPutBackIsNotLost) {
    open();
    append();
    // rm -r is at the text form when that is noticed, and goes on.
    std::filesystem::remove(config_.list.directory / ListFiles::kText);
    backend_->look_for_others(true);
    EXPECT_FALSE(backend_->is_open());
    remove_all();
    EXPECT_TRUE(open().foreign.empty());
    append();
    expect_whole();
}

/// An append before the next look must not hide that somebody wrote to the list.
TEST_F(BackendTest, AChangeRightBeforeAnAppendIsToldAndRepaired) {
    open();
    append();
    const auto path = config_.list.directory / ListFiles::kBinary;
    const auto changed = [&path] {
        struct stat status{};
        ::stat(path.c_str(), &status);
        return std::pair(status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
    };
    // A file's times have ticks of some milliseconds.
    for (const auto before = changed(); changed() == before;) {
        std::fstream list(path, std::ios::in | std::ios::out | std::ios::binary);
        list.seekp(30);
        list.put('\xff');
    }
    const std::array entry{NewEntry{kPcr, "ima-buf", list::encode_ima_buf("ring", as_bytes("1"))}};
    EXPECT_EQ(backend_->append(entry), Appended::kNothing);
    EXPECT_FALSE(open().tampered.empty());
    append();
    expect_whole();
}

TEST_F(BackendTest, ARemovedListSurvivesATpmThatDoesNotAnswer) {
    open();
    append();
    const std::string tcti = std::exchange(config_.tpm.tcti, "swtpm:port=1");
    backend_->close();
    remove_all();
    EXPECT_FALSE(backend_->open());
    config_.tpm.tcti = tcti;
    EXPECT_TRUE(open().foreign.empty());
    expect_whole();
}

TEST_F(BackendTest, AFolderThatIsRemovedAgainAndAgainLosesNothing) {
    open();
    // Once a round, at whichever moment of it.
    std::atomic<int> round = 0;
    std::jthread remover([&] {
        for (int seen = 0; seen >= 0;) {
            round.wait(seen);
            seen = round;
            std::error_code ignored;
            if (seen >= 0) std::filesystem::remove_all(config_.list.directory, ignored);
        }
    });
    for (int i = 1; i <= 100; ++i) {
        round = i;
        round.notify_one();
        append();
        if (backend_->is_open()) backend_->look_for_others(true);
        if (!backend_->is_open()) EXPECT_TRUE(open().foreign.empty());
    }
    round = -1;
    round.notify_one();
    remover.join();
    if (backend_->is_open()) backend_->look_for_others(true);
    if (!backend_->is_open()) EXPECT_TRUE(open().foreign.empty());
    expect_whole();
}

}  // namespace backend_test
}  // namespace keyscribe::measure
