// SPDX-License-Identifier: Apache-2.0
// keyscribe keyrings: where each key comes from, by the host's own firmware log.
#include "controller/cli/key_sources.h"

#include <gtest/gtest.h>

#include <map>

#include "controller/list/unfold.h"
#include "guest_evidence.h"

namespace keyscribe::cli {
namespace key_sources_test {

/// How many keys of a real guest's keyrings have this line, less the number of its entry.
std::map<std::string, int> lines(const KeySources& sources) {
    const testing::Guest guest("uefi-7.x");
    const Bytes list = guest.document.evidence.list.data;
    keyrings::KeyringModel model;
    list::for_each_record(list, [&](const list::LogicalRecord& record) {
        model.feed(record).value();
    }).value();
    std::map<std::string, int> found;
    for (const keyrings::KeyId ring : model.keyrings()) {
        const std::string& name = model.key(ring).description;
        if (name != ".platform" && name != ".machine" && name != ".builtin_trusted_keys") continue;
        for (const keyrings::LinkId link : model.contents(ring)) {
            const std::string line = sources.line(model, link, {});
            ++found[name + ' ' + line.substr(0, line.find(", entry"))];
        }
    }
    return found;
}

TEST(KeySources, OfAHostWithItsLog) {
    const std::string folder = testing::kFirmwareFixtures + "uefi-7.x";
    EXPECT_EQ(lines(KeySources::of_this_host(folder + "/binary_bios_measurements", folder)),
              (std::map<std::string, int>{
                  {".platform firmware: db (PCR 7)", 3},
                  {".machine shim: MokListRT, the owner's (PCR 14)", 1},
                  {".machine shim: MokListRT, first list: its own certificate (PCR 14)", 1},
                  {".builtin_trusted_keys kernel image (not compared with one)", 1}}));
}

TEST(KeySources, WithoutALogItSaysThatNoneIsKnown) {
    const std::map<std::string, int> expected{
        {".platform no source known: there before the recording began", 3},
        {".machine no source known: there before the recording began", 2},
        {".builtin_trusted_keys kernel image (not compared with one)", 1}};
    EXPECT_EQ(lines(KeySources()), expected);
    EXPECT_EQ(lines(KeySources::of_this_host("/nonexistent", "/nonexistent")), expected);
    EXPECT_EQ(lines(KeySources::of_this_host(testing::kFirmwareFixtures + "README.md", "/")),
              expected);
}

}  // namespace key_sources_test
}  // namespace keyscribe::cli
