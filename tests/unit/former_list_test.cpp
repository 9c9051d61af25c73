// SPDX-License-Identifier: Apache-2.0
// The list over a kexec: the TPM goes on, /run is new, and the next daemon has another boot_id.
#include "controller/host/measure/former_list.h"

#include <gtest/gtest.h>

#include <thread>

#include "controller/host/measure/list_writer.h"
#include "controller/host/measure/recorder.h"
#include "controller/host/settings/policy_loader.h"
#include "controller/list/list_reader.h"
#include "controller/list/record.h"
#include "controller/list/unfold.h"
#include "support.h"

namespace keyscribe::measure {
namespace former_list_test {

using testing::Swtpm;
using testing::TempDir;

/// A daemon that measures one event in `directory`, with a kernel's boot_id. Returns what it says
/// of itself at its end.
status::Status run_daemon(const Swtpm& swtpm, const std::filesystem::path& directory,
                          const std::filesystem::path& former, const std::string& boot_id) {
    settings::Config config;
    config.tpm.tcti = swtpm.tcti();
    config.list.directory = directory;
    config.list.former = former;
    config.journal.enabled = false;
    spool::Spool spool(config.spool.max_size, config.spool.deadline);
    status::SharedStatus shared;
    auto loaded = settings::policy_of({{"10.policy", "measure func=KEY_CHECK\n"}}).value();
    spool.push(
        spool::PolicyChange{std::make_shared<const settings::LoadedPolicy>(std::move(loaded)), 1});
    events::KeyEvent event;
    event.sequence = 1;
    event.key_type = "asymmetric";
    event.keyring = {7, "ring"};
    event.key_serial = 8;
    event.payload.assign(100, 1);
    event.payload_length = 100;
    spool.push(std::move(event));
    std::jthread thread([&](std::stop_token stop) {
        run_recorder({config,
                      spool,
                      shared,
                      {.version = "test",
                       .controller_digest = std::vector<std::uint8_t>(32),
                       .bpf_digest = std::vector<std::uint8_t>(32),
                       .boot_id = boot_id}},
                     stop);
    });
    while (shared.copy().counters.measured < 1)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return shared.copy();
}

/// The kinds of the list's records, a plain entry being "key".
std::vector<std::string> kinds(const std::filesystem::path& directory) {
    const std::string list = testing::read_file(directory / ListFiles::kBinary);
    std::vector<std::string> found;
    EXPECT_TRUE(list::for_each_record(as_bytes(list), [&](const list::LogicalRecord& record) {
        found.emplace_back(list::record_kind(record.name).value_or("key"));
    }));
    return found;
}

using Kinds = std::vector<std::string>;

TEST(FormerList, TheNextKernelsDaemonGoesOnWithIt) {
    const Swtpm swtpm;
    const TempDir first, disk, second;
    const auto former = disk.path() / "folder/former-list";
    run_daemon(swtpm, first, former, "one");
    ASSERT_TRUE(keep_list(first, former));
    const status::Status after = run_daemon(swtpm, second, former, "two");
    EXPECT_TRUE(after.degraded.empty()) << after.degraded[0];
    EXPECT_EQ(kinds(second),
              (Kinds{"start", "policy", "key", "create", "kexec", "policy", "key", "create"}));
    EXPECT_FALSE(std::filesystem::exists(former));
    // Both forms: evmctl's and people's.
    const std::string text = testing::read_file(second / ListFiles::kText);
    EXPECT_EQ(std::ranges::count(text, '\n'), 9);
    // A later daemon of that kernel goes on as ever.
    run_daemon(swtpm, second, former, "two");
    EXPECT_EQ(kinds(second).at(8), "restart");
}

TEST(FormerList, OneThatIsNotThePcrsIsNotUsed) {
    const Swtpm swtpm, another;
    const TempDir first, second, disk;
    const auto former = disk.path() / "former-list";
    run_daemon(another, first, former, "one");
    ASSERT_TRUE(keep_list(first, former));
    const auto extended =
        testing::run("tpm2_pcrextend -T " + swtpm.tcti() + " 13:sha256=" + std::string(64, 'e'));
    ASSERT_EQ(extended.status, 0) << extended.text;
    const status::Status after = run_daemon(swtpm, second, former, "two");
    EXPECT_EQ(kinds(second), (Kinds{"start", "foreign", "policy", "key", "create"}));
    EXPECT_FALSE(after.degraded.empty());
}

TEST(FormerList, OneThatIsDamagedIsPutAside) {
    const Swtpm swtpm;
    const TempDir directory, disk;
    const auto former = disk.path() / "former-list";
    std::ofstream(former) << "no list";
    run_daemon(swtpm, directory, former, "two");
    EXPECT_EQ(kinds(directory), (Kinds{"start", "policy", "key", "create"}));
}

TEST(FormerList, IsKeptForAKexecAlone) {
    const TempDir folder;
    for (const auto& [content, loaded] : {std::pair{"1\n", true}, std::pair{"0\n", false}}) {
        std::ofstream(folder / "kexec_loaded") << content;
        EXPECT_EQ(is_kexec_loaded(folder / "kexec_loaded"), loaded);
    }
    EXPECT_FALSE(is_kexec_loaded(folder / "none"));
    // Nothing where there is no list.
    ASSERT_TRUE(keep_list(folder, folder / "former"));
    EXPECT_FALSE(std::filesystem::exists(folder / "former"));
}

}  // namespace former_list_test
}  // namespace keyscribe::measure
