// SPDX-License-Identifier: Apache-2.0
// Reader and writer beside lists that kernels wrote (fixtures/lists), and beside evmctl.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>

#include "controller/base/little_endian.h"
#include "controller/host/measure/list_writer.h"
#include "controller/list/list_reader.h"
#include "controller/list/template_data.h"
#include "support.h"

namespace keyscribe::measure {
namespace list_test {

using testing::lines_of;
using testing::read_file;
using testing::TempDir;
using testing::write_file;

const std::string kLists = FIXTURES "/lists/";
const std::string kOld = kLists + "linux-6.1.192_";
const std::string kNew = kLists + "linux-6.12.117_";
const std::vector<Algorithm> kBanks = {Algorithm::kSha1, Algorithm::kSha256};

std::vector<list::Entry> entries_of(const std::string& list, Algorithm digests = Algorithm::kSha1) {
    auto entries = list::read_list(as_bytes(list), digests);
    if (!entries) throw std::runtime_error(to_string(entries.error()));
    return std::move(*entries);
}

list::Replay replayed(const std::vector<list::Entry>& entries) {
    list::Replay replay(kBanks);
    for (const list::Entry& entry : entries) replay.add(entry);
    return replay;
}

/// The line of a PCR file of evmctl's.
std::string pcr_line(const std::string& file, const std::string& pcr) {
    for (const std::string& line : lines_of(read_file(file)))
        if (line.starts_with(pcr + ": ")) return line.substr(pcr.size() + 2);
    return "";
}

TEST(ListReader, ReplaysTheKernelsListToItsPcrs) {
    const std::string list = read_file(kOld + "binary_runtime_measurements");
    const list::Replay replay = replayed(entries_of(list));
    EXPECT_EQ(to_hex(replay.value(10, Algorithm::kSha1)),
              pcr_line(kOld + "pcrs_sha1.evmctl", "PCR-10"));
    EXPECT_EQ(to_hex(replay.value(10, Algorithm::kSha256)),
              pcr_line(kOld + "pcrs_sha256.evmctl", "PCR-10"));
    EXPECT_EQ(to_hex(replay.value(11, Algorithm::kSha1)), std::string(40, '0'));
}

TEST(ListReader, ReadsTheListsPerBank) {
    const std::string sha1 = read_file(kNew + "binary_runtime_measurements_sha1");
    const std::string sha256 = read_file(kNew + "binary_runtime_measurements_sha256");
    const auto first = entries_of(sha1, Algorithm::kSha1);
    const auto second = entries_of(sha256, Algorithm::kSha256);
    ASSERT_EQ(first.size(), 4u);
    ASSERT_EQ(second.size(), first.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
        EXPECT_EQ(to_hex(first[i].template_data), to_hex(second[i].template_data));
        EXPECT_EQ(to_hex(second[i].stored_digest),
                  to_hex(hash(Algorithm::kSha256, second[i].template_data)));
    }
    for (const Algorithm bank : kBanks)
        EXPECT_EQ(replayed(first).value(10, bank), replayed(second).value(10, bank));
    EXPECT_FALSE(list::read_list(as_bytes(sha1), Algorithm::kSha256));
    EXPECT_FALSE(list::read_list(as_bytes(sha256), Algorithm::kSha1));
}

TEST(ListReader, TruncationAtEveryByteIsSeen) {
    const std::string list = read_file(kOld + "binary_runtime_measurements");
    std::vector<std::size_t> boundaries{0};
    for (const list::Entry& entry : entries_of(list))
        boundaries.push_back(entry.offset + entry.size);
    ASSERT_EQ(boundaries.back(), list.size());
    for (std::size_t size = 0; size <= list.size(); ++size) {
        const std::size_t whole = *std::prev(std::ranges::upper_bound(boundaries, size));
        const auto entries = list::read_list(as_bytes(list).first(size));
        EXPECT_EQ(entries.has_value(), whole == size) << size;
        if (!entries) {
            EXPECT_EQ(entries.error().where, "byte " + std::to_string(whole));
        }
    }
}

std::string le32(std::uint32_t value) {
    std::string bytes(4, '\0');
    store_le32(reinterpret_cast<std::uint8_t*>(bytes.data()), value);
    return bytes;
}

TEST(ListReader, LengthsThatAreTooLargeAreRefused) {
    const std::string start = le32(10) + std::string(20, 'd');
    const auto refused = [](const std::string& list) { return !list::read_list(as_bytes(list)); };
    for (const std::uint32_t size : {257u, 0x7fffffffu, 0xffffffffu})
        EXPECT_TRUE(refused(start + le32(size) + std::string(300, 'n'))) << size;
    const std::string named = start + le32(6) + "ima-ng";
    for (const std::uint32_t size : {2u, (16u << 20) + 1, 0x7fffffffu, 0xffffffffu})
        EXPECT_TRUE(refused(named + le32(size) + "x")) << size;
    EXPECT_TRUE(refused(named + le32((16u << 20) + 1) + std::string((16u << 20) + 1, 'x')));
    EXPECT_FALSE(refused(named + le32(16u << 20) + std::string(16u << 20, 'x')));
    EXPECT_FALSE(refused(named + le32(0)));
}

TEST(ListReader, AViolationExtendsOnes) {
    const std::string list = le32(10) + std::string(20, '\0') + le32(6) + "ima-ng" + le32(1) + "x";
    const auto entries = entries_of(list);
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_TRUE(entries[0].is_violation());
    EXPECT_EQ(list::extend_value(entries[0], Algorithm::kSha256), filled(Algorithm::kSha256, 0xff));
}

TEST(ListReader, TheFirstTemplateIsHashedWithItsNamePadded) {
    const std::string digest(20, 'd');
    const std::string list =
        le32(10) + std::string(20, 's') + le32(3) + "ima" + digest + le32(4) + "file";
    const auto entries = entries_of(list);
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].size, list.size());
    const std::string padded = digest + "file" + std::string(252, '\0');
    EXPECT_EQ(list::extend_value(entries[0], Algorithm::kSha1),
              hash(Algorithm::kSha1, as_bytes(padded)));
}

TEST(ListWriter, GivesTheKernelsVeryBytes) {
    for (const std::string& name :
         {kOld + "binary_runtime_measurements", kNew + "binary_runtime_measurements_sha1"}) {
        const std::string list = read_file(name);
        std::string written;
        for (const list::Entry& entry : entries_of(list)) {
            const auto bytes = encode_entry(entry.pcr, entry.template_name, entry.template_data);
            EXPECT_EQ(bytes.size(), entry.size);
            written.append(bytes.begin(), bytes.end());
        }
        EXPECT_TRUE(written == list) << name;
    }
}

TEST(ListWriter, GivesTheKernelsVeryText) {
    for (const auto& [binary, text] :
         {std::pair(kOld + "binary_runtime_measurements", kOld + "ascii_runtime_measurements"),
          std::pair(kNew + "binary_runtime_measurements_sha1",
                    kNew + "ascii_runtime_measurements")}) {
        const std::string list = read_file(binary);
        std::vector<std::string> lines;
        for (const list::Entry& entry : entries_of(list)) {
            lines.push_back(text_line(entry.pcr, entry.stored_digest, entry.template_name,
                                      entry.template_data));
            ASSERT_TRUE(lines.back().ends_with('\n'));
            lines.back().pop_back();
        }
        EXPECT_EQ(lines, lines_of(read_file(text)));
    }
}

TEST(ListWriter, EscapesWhatCouldForgeALine) {
    EXPECT_EQ(escape_name("_plain:name-1.~"), "_plain:name-1.~");
    EXPECT_EQ(escape_name("a b\tc\nd"), "a\\040b\\011c\\012d");
    EXPECT_EQ(escape_name("\\040"), "\\134040");
    EXPECT_EQ(escape_name("\xc3\xa4\x7f\xff\x1b"), "\\303\\244\\177\\377\\033");
    EXPECT_EQ(escape_name(std::string_view("\0", 1)), "\\000");
    EXPECT_EQ(escape_name(""), "");
    const auto data = list::encode_ima_buf("x 00\n10 forged", {});
    const std::string line = text_line(9, hash(Algorithm::kSha1, data), "ima-buf", data);
    EXPECT_EQ(std::ranges::count(line, '\n'), 1);
    EXPECT_TRUE(line.starts_with(" 9 ")) << line;
    EXPECT_NE(line.find(" x\\04000\\01210\\040forged "), std::string::npos) << line;
}

TEST(ListWriter, ATemplateThatIsNotKnownHasThreeFields) {
    EXPECT_EQ(text_line(10, filled(Algorithm::kSha1, 0xaa), "evm sig", as_bytes("x")),
              "10 " + std::string(40, 'a') + " evm\\040sig\n");
}

/// Both files, to see that nothing changed.
std::pair<std::string, std::string> both(const TempDir& directory) {
    return {read_file(directory / ListFiles::kBinary), read_file(directory / ListFiles::kText)};
}

ListFiles open_files(const TempDir& directory) {
    auto files = ListFiles::open(directory);
    if (!files) throw std::runtime_error(to_string(files.error()));
    return std::move(*files);
}

void add(ListFiles& files, std::uint32_t pcr, std::string_view name, std::string_view buf) {
    const auto done = files.append(
        std::array{NewEntry{pcr, "ima-buf", list::encode_ima_buf(name, as_bytes(buf))}});
    ASSERT_TRUE(done) << to_string(done.error());
}

TEST(ListFiles, CopyOfTheKernelsList) {
    const TempDir directory;
    const std::string list = read_file(kOld + "binary_runtime_measurements");
    ListFiles files = open_files(directory);
    for (const list::Entry& entry : entries_of(list))
        ASSERT_TRUE(files.append(
            std::array{NewEntry{entry.pcr,
                                std::string(entry.template_name),
                                {entry.template_data.begin(), entry.template_data.end()}}}));
    EXPECT_TRUE(both(directory) == std::pair(list, read_file(kOld + "ascii_runtime_measurements")));
    EXPECT_EQ(files.size(), list.size());
    struct stat status{};
    for (const char* name : {ListFiles::kBinary, ListFiles::kText}) {
        ASSERT_EQ(::stat((directory / name).c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777 & ~0640u, 0u);
    }
}

TEST(ListFiles, GoesOnAfterReopening) {
    const TempDir directory;
    {
        ListFiles files = open_files(directory);
        add(files, 13, "one", "1");
    }
    ListFiles files = open_files(directory);
    add(files, 13, "two", "2");
    const auto bytes = files.read();
    ASSERT_TRUE(bytes);
    const auto entries = list::read_list(*bytes);
    ASSERT_TRUE(entries);
    ASSERT_EQ(entries->size(), 2u);
    EXPECT_EQ(lines_of(both(directory).second).size(), 2u);
}

/// Files of this process cannot grow beyond `size` while it lives.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t size) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &former_);
        const rlimit limit{size, former_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &former_);
        std::signal(SIGXFSZ, handler_);
    }

  private:
    rlimit former_{};
    void (*handler_)(int);
};

TEST(ListFiles, WithoutRoomNothingIsAppended) {
    const TempDir directory;
    ListFiles files = open_files(directory);
    add(files, 13, "one", "1");
    const auto before = both(directory);
    const std::string large(3000, 'x');
    const auto buf = list::encode_ima_buf("two", as_bytes(large));
    {
        // The text's line is the longer one of ima-buf; of a foreign template the binary entry is.
        const FileSizeLimit limit(2048);
        EXPECT_FALSE(files.append(std::array{NewEntry{13, "ima-buf", buf}}));
        EXPECT_EQ(both(directory), before);
        EXPECT_FALSE(files.append(std::array{NewEntry{13, "foreign", buf}}));
        EXPECT_EQ(both(directory), before);
    }
    add(files, 13, "two", large);
    const std::string list = both(directory).first;
    EXPECT_EQ(entries_of(list).size(), 2u);
    EXPECT_EQ(lines_of(both(directory).second).size(), 2u);
}

TEST(ListFiles, SeesThatSomebodyRemovedOrCutAFile) {
    for (const char* name : {ListFiles::kBinary, ListFiles::kText}) {
        for (const bool remove : {true, false}) {
            const TempDir directory;
            ListFiles files = open_files(directory);
            add(files, 13, "one", "1");
            if (remove)
                std::filesystem::remove(directory / name);
            else
                std::filesystem::resize_file(directory / name, 10);
            const auto done =
                files.append(std::array{NewEntry{13, "ima-buf", list::encode_ima_buf("two", {})}});
            ASSERT_FALSE(done) << name << (remove ? " removed" : " cut");
            EXPECT_EQ(done.error().where, (directory / name).string());
            EXPECT_NE(done.error().hint, "");
        }
    }
}

TEST(ListFiles, RefusesASymbolicLinkAndAMissingFolder) {
    const TempDir directory;
    EXPECT_FALSE(ListFiles::open(directory / "none"));
    std::filesystem::create_symlink("elsewhere", directory / ListFiles::kText);
    EXPECT_FALSE(ListFiles::open(directory));
}

/// evmctl's answer for the list in `directory`, with the PCRs that `replay` gives.
testing::Output evmctl(const TempDir& directory, const list::Replay& replay) {
    std::string arguments;
    for (const Algorithm bank : replay.banks()) {
        std::string pcrs;
        for (unsigned pcr = 0; pcr < 24; ++pcr) {
            const std::string number = std::to_string(pcr);
            pcrs += "PCR-" + std::string(number.size() < 2 ? "0" : "") + number + ": " +
                    to_hex(replay.value(pcr, bank)) + "\n";
        }
        const std::string name(name_of(bank));
        write_file(directory / name, pcrs);
        arguments += " --pcrs " + name + "," + (directory / name).string();
    }
    return testing::run("evmctl ima_measurement" + arguments + " " +
                        (directory / ListFiles::kBinary).string());
}

TEST(ListFiles, EvmctlAcceptsTheListAndNoOther) {
    const TempDir directory;
    ListFiles files = open_files(directory);
    const auto aggregate = hash(Algorithm::kSha256, as_bytes("PCR 0 to 9"));
    ASSERT_TRUE(files.append(std::array{NewEntry{
        13, "ima-ng", list::encode_ima_ng(Algorithm::kSha256, aggregate, "boot_aggregate")}}));
    add(files, 13, "keyscribe:start", "\xa0");
    add(files, 10, "a name with blanks", "");
    add(files, 13, ".builtin_trusted_keys", std::string(2000, '0'));
    const std::string list = both(directory).first;
    const list::Replay replay = replayed(entries_of(list));
    const std::string matched = "Matched per TPM bank calculated digest(s).";
    const auto good = evmctl(directory, replay);
    EXPECT_EQ(good.status, 0) << good.text;
    EXPECT_NE(good.text.find(matched), std::string::npos) << good.text;

    const std::size_t last = entries_of(list).back().offset;
    write_file(directory / ListFiles::kBinary, list.substr(0, last));
    const auto bad = evmctl(directory, replay);
    EXPECT_EQ(bad.text.find(matched), std::string::npos) << bad.text;
}

}  // namespace list_test
}  // namespace keyscribe::measure
