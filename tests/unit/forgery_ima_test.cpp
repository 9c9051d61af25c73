// SPDX-License-Identifier: Apache-2.0
// The kernel's own list, and the signatures of files in it.
#include "controller/list/list_reader.h"
#include "controller/list/template_data.h"
#include "forgery.h"

namespace keyscribe::appraise {
namespace forgery_ima_test {

using testing::Buffer;
using testing::Host;
using testing::kIma;
using testing::rogue;
using testing::Setting;

INSTANTIATE_TEST_SUITE_P(
    Ima, Forgeries,
    ::testing::ValuesIn(std::vector<Forgery>{
        {"no kernel's list, where one is wanted",
         [](Setting& s) {
             s.host.good();
             s.basis.policy.ima.required = true;
         },
         "ima-missing"},
        {"a kernel's list without a quote",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.quotes.pop_back(); };
         },
         "ima-not-quoted"},
        {"a file that was taken out of the kernel's list",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) {
                 e.ima->data = e.ima->data.first(e.ima->data.size() / 3);
                 list::ListReader reader(e.ima->data);
                 while (true)
                     if (const auto one = reader.next(); !one || !*one) break;
                 e.ima->data = e.ima->data.first(reader.offset());
                 e.ima->entries = 1;
             };
         },
         "ima-replay"},
        {"a kernel's list that is cut short",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.ima->data = e.ima->data.first(e.ima->data.size() - 1); };
         },
         "ima-malformed@ima:1"},
        {"two entries of the kernel's list swapped",
         [](Setting& s) {
             s.good();
             s.edit = [swapped = Buffer(), first = s.host.kernel.offsets[0]](auto& e) mutable {
                 const Bytes list = e.ima->data;
                 swapped.assign(list.begin() + static_cast<std::ptrdiff_t>(first), list.end());
                 swapped.insert(swapped.end(), list.begin(),
                                list.begin() + static_cast<std::ptrdiff_t>(first));
                 e.ima->data = swapped;
             };
         },
         "ima-replay"},
        {"an entry added to the kernel's list",
         [](Setting& s) {
             s.good();
             s.edit = [longer = Buffer(), first = s.host.kernel.offsets[0]](auto& e) mutable {
                 const Bytes list = e.ima->data;
                 longer.assign(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(first));
                 longer.insert(longer.end(), list.begin(), list.end());
                 e.ima->data = longer;
                 ++e.ima->entries;
             };
         },
         "ima-replay"},
        {"a length near 2^32 in the kernel's list",
         [](Setting& s) {
             s.good();
             std::fill_n(s.host.kernel.bytes.begin() + 24, 4, 0xff);
         },
         "ima-malformed@ima:0"},
        {"another count of the kernel's entries",
         [](Setting& s) {
             s.good();
             s.edit = [](auto& e) { e.ima->entries += 1; };
         },
         "ima-count"},
        {"a template digest in the kernel's list",
         [](Setting& s) {
             s.good();
             s.host.kernel.bytes[5] ^= 1;
         },
         "ima-template-digest@ima:0"},
        {"a payload of the kernel's list",
         [](Setting& s) {
             s.good();
             auto data = list::encode_ima_buf(kIma, s.host.ima);
             data.back() ^= 1;
             s.host.kernel.add("ima-buf", data);
         },
         "ima-payload-digest@ima:2"},
        {"a file signed by an unknown key",
         [](Setting& s) {
             s.good();
             s.host.file("/bin/evil", "evil", Host::shared_key(3).get());
         },
         "ima-signature-key@ima:2"},
        {"a file that was changed after it was signed",
         [](Setting& s) {
             s.good();
             const Digest signed_one = hash(Algorithm::kSha256, as_bytes("before"));
             const Digest now = hash(Algorithm::kSha256, as_bytes("after"));
             s.host.kernel.signed_file(now, "/bin/x",
                                       Host::ima_signature(s.host.ima_key.get(), signed_one));
         },
         "ima-signature@ima:2"},
        {"a signature of another form",
         [](Setting& s) {
             s.good();
             s.host.kernel.signed_file(hash(Algorithm::kSha256, {}), "/bin/x",
                                       Buffer{3, 1, 4, 0, 0, 0, 0, 0, 0});
         },
         "ima-signature-malformed@ima:2"},
        {"a signature's length that does not add up",
         [](Setting& s) {
             s.good();
             const Digest digest = hash(Algorithm::kSha256, as_bytes("x"));
             Buffer signature = Host::ima_signature(s.host.ima_key.get(), digest);
             signature[7] = 0xff;
             s.host.kernel.signed_file(digest, "/bin/x", signature);
         },
         "ima-signature-malformed@ima:2"},
        {"a file signed by a key that came later",
         [](Setting& s) {
             s.good();
             EXPECT_TRUE(s.basis.references.add(rogue(s.host, "Late"), "late.der"));
             const Bytes late = s.basis.references.all().back().view.der;
             s.host.key(kIma, late, 301, "Late: 1");
             s.host.file("/bin/x", "x", Host::shared_key(3).get());
             s.host.kernel.buf(kIma, late);
         },
         "ima-signer-later@ima:2"},
        {"a file signed by a key that was taken out of its keyring",
         [](Setting& s) {
             s.good();
             s.host.event("unlink", 300, kIma, "File signer: 11");
         },
         "ima-signer-left@ima:1"},
        {"a file signed by a key that was taken out, and then revoked, where that is accepted",
         [](Setting& s) {
             s.good();
             s.basis.policy.keys.allow_revoked = true;
             s.host.event("unlink", 300, kIma, "File signer: 11");
             s.host.list.record("revoke",
                                s.host.key_fields("revoke", 300, "", 0, "File signer: 11"));
         },
         "ima-signer-left@ima:1"},
        {"a file without a signature, where all must have one",
         [](Setting& s) {
             s.good();
             s.basis.policy.ima.require_signatures = true;
             s.host.file("/bin/x", "x", nullptr);
         },
         "ima-unsigned@ima:2"},
        {"a violation in the kernel's list",
         [](Setting& s) {
             s.good();
             s.host.kernel.violation("/var/log/x");
         },
         "ima-violation@ima:2"},
        {"a template that nobody knows",
         [](Setting& s) {
             s.good();
             s.host.kernel.add("ima-new", Buffer{1, 2, 3});
         },
         "ima-template@ima:2"},
        {"a blocked file",
         [](Setting& s) {
             s.good();
             s.basis.blocked_files = *BlockedFiles::parse(
                 to_hex(hash(Algorithm::kSha256, as_bytes("bad"))) + "  /usr/bin/bad\n", "blocked");
             s.host.file("/opt/renamed", "bad", s.host.ima_key.get());
         },
         "file-blocked@ima:2"},
        {"blocked files in a digest that nothing was measured with",
         [](Setting& s) {
             s.good();
             s.basis.blocked_files =
                 *BlockedFiles::parse("sha512:" + std::string(128, 'a'), "blocked");
         },
         "file-uncomparable@ima:1"},
    }),
    test_name);

}  // namespace forgery_ima_test
}  // namespace keyscribe::appraise
