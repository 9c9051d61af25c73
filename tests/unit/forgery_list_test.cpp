// SPDX-License-Identifier: Apache-2.0
// Entries of the list that were changed, and lists that a host measured so.
#include "controller/list/template_data.h"
#include "forgery.h"

namespace keyscribe::appraise {
namespace forgery_list_test {

using list::cbor_bytes;
using testing::Buffer;
using testing::Host;
using testing::kIma;
using testing::Setting;

/// The good list, built from entries as a test likes them.
void entries_as(Setting& setting, const std::function<void(std::vector<Buffer>&)>& change) {
    setting.good();
    auto& list = setting.host.list;
    std::vector<Buffer> entries;
    std::size_t begin = 0;
    for (const std::size_t end : list.offsets) {
        entries.emplace_back(list.bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                             list.bytes.begin() + static_cast<std::ptrdiff_t>(end));
        begin = end;
    }
    change(entries);
    list.bytes.clear();
    for (const Buffer& entry : entries)
        list.bytes.insert(list.bytes.end(), entry.begin(), entry.end());
    list.entries = entries.size();
}

/// Offset of an entry's template data: PCR, digest, sized name, size.
std::size_t data_at(const Buffer& entry) { return 4 + 20 + 4 + entry[24] + 4; }

/// With the template digest made right again.
void redigest(Buffer& entry) {
    const auto digest = hash(Algorithm::kSha1, Bytes(entry).subspan(data_at(entry)));
    std::copy_n(digest.bytes.begin(), 20, entry.begin() + 4);
}

INSTANTIATE_TEST_SUITE_P(
    List, Forgeries,
    ::testing::ValuesIn(std::vector<Forgery>{
        // The list, without touching the PCR.
        {"an entry dropped",
         [](Setting& s) { entries_as(s, [](auto& e) { e.erase(e.begin() + 6); }); }, "list-replay"},
        {"the last entry dropped", [](Setting& s) { entries_as(s, [](auto& e) { e.pop_back(); }); },
         "list-replay"},
        {"all entries dropped", [](Setting& s) { entries_as(s, [](auto& e) { e.clear(); }); },
         "list-replay"},
        {"an entry added in the middle",
         [](Setting& s) { entries_as(s, [](auto& e) { e.insert(e.begin() + 3, e[2]); }); },
         "list-replay"},
        {"two entries swapped",
         [](Setting& s) { entries_as(s, [](auto& e) { std::swap(e[6], e[7]); }); }, "list-replay"},
        {"an entry's PCR changed", [](Setting& s) { entries_as(s, [](auto& e) { e[6][0] = 14; }); },
         "list-replay"},
        {"an entry's template digest changed",
         [](Setting& s) { entries_as(s, [](auto& e) { e[6][4] ^= 1; }); },
         "list-template-digest@6"},
        {"an entry's template digest zeroed, as of a violation",
         [](Setting& s) { entries_as(s, [](auto& e) { std::fill_n(e[6].begin() + 4, 20, 0); }); },
         "list-replay"},
        {"an entry's template name changed",
         [](Setting& s) { entries_as(s, [](auto& e) { e[6][28 + 4] = 's'; }); }, "list-template@6"},
        {"a template renamed to one of the same shape",
         [](Setting& s) {
             entries_as(
                 s, [](auto& e) { std::ranges::copy(std::string("sig"), e[6].begin() + 28 + 4); });
         },
         "list-template@6"},
        {"an entry's payload digest changed",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 e[6][data_at(e[6]) + 12] ^= 1;
                 redigest(e[6]);
             });
         },
         "list-payload-digest@6 list-replay"},
        {"an entry's keyring changed",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 e[6][data_at(e[6]) + 4 + 40 + 4 + 1] = 'x';
                 redigest(e[6]);
             });
         },
         "list-replay"},
        {"an entry's payload changed, its digest right",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 e[6].back() ^= 1;
                 redigest(e[6]);
             });
         },
         "list-payload-digest@6 list-replay"},
        {"a length near 2^32 in an entry",
         [](Setting& s) {
             entries_as(s, [](auto& e) { std::fill_n(e[6].begin() + 35, 4, 0xff); });
         },
         "list-malformed@6"},
        {"a template name's length near 2^32",
         [](Setting& s) {
             entries_as(s, [](auto& e) { std::fill_n(e[6].begin() + 24, 4, 0xff); });
         },
         "list-malformed@6"},
        {"a field's length near 2^32",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 std::fill_n(e[6].begin() + 39, 4, 0xff);
                 redigest(e[6]);
             });
         },
         "list-template@6 list-replay"},
        {"an entry's payload digest said to be of another algorithm",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 std::ranges::copy(std::string("sha512"), e[6].begin() + data_at(e[6]) + 4);
                 redigest(e[6]);
             });
         },
         "list-payload-digest@6 list-replay"},
        {"a keyring's name without its end",
         [](Setting& s) {
             entries_as(s, [](auto& e) {
                 e[6][data_at(e[6]) + 4 + 40 + 4 + 4] = 'x';
                 redigest(e[6]);
             });
         },
         "list-template@6 list-replay"},
        {"another count of entries",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.list.entries += 1; };
         },
         "list-count"},
        {"cut in the middle of the last entry",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.list.data = e.list.data.first(e.list.data.size() - 1); };
         },
         "list-malformed@7"},
        {"only what is new, from the middle",
         [](Setting& s) {
             s.good();
             s.host.from_entry = 5;
         },
         "state-missing"},

        // A host that measured it so: the PCR agrees, the content is wrong.
        {"a measured digest right and payload wrong",
         [](Setting& s) {
             s.good();
             auto data = list::encode_ima_buf(kIma, s.host.ima);
             data.back() ^= 1;
             s.host.list.add("ima-buf", data);
         },
         "list-payload-digest@8"},
        {"a violation in our list",
         [](Setting& s) {
             s.good();
             s.host.list.violation("x");
         },
         "list-violation@8"},
        {"a template of the kernel's in our list",
         [](Setting& s) {
             s.good();
             s.host.list.signed_file(filled(Algorithm::kSha256, 1), "/bin/x", Buffer{3, 2});
         },
         "list-template@8"},
        {"no boot_aggregate",
         [](Setting& s) {
             s.host.list.record("start", Host::speaker());
             s.host.list.record("policy", Host::policy("measure func=KEY_CHECK\n", 1));
         },
         "list-start@0 list-start@1 baseline-missing@1 nothing-judged"},
        {"an empty list", [](Setting&) {}, "list-start nothing-judged"},
        {"a list that begins twice",
         [](Setting& s) {
             s.good();
             s.host.list.record("start", Host::speaker());
         },
         "list-start@8 baseline-missing@8"},
        {"no policy",
         [](Setting& s) {
             s.host.list.aggregate();
             s.host.list.record("start", Host::speaker());
         },
         "policy-missing baseline-missing@1 nothing-judged"},
    }),
    test_name);

}  // namespace forgery_list_test
}  // namespace keyscribe::appraise
