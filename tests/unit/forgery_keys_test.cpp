// SPDX-License-Identifier: Apache-2.0
// Keys that are unknown, expired, revoked, blocked, missing, or signed by nobody who may.
#include "forgery.h"

namespace keyscribe::appraise {
namespace forgery_keys_test {

using list::cbor_bytes;
using nlohmann::json;
using testing::Buffer;
using testing::certificate;
using testing::Host;
using testing::kIma;
using testing::rogue;
using testing::Setting;

INSTANTIATE_TEST_SUITE_P(
    Keys, Forgeries,
    ::testing::ValuesIn(std::vector<Forgery>{
        {"an unknown key",
         [](Setting& s) {
             s.good();
             s.host.key(kIma, rogue(s.host), 301, "Rogue: 1");
         },
         "key-unknown@9"},
        {"an unknown key that was taken away again",
         [](Setting& s) {
             s.good();
             s.host.key(kIma, rogue(s.host), 301, "Rogue: 1");
             s.host.event("unlink", 301, kIma, "Rogue: 1");
         },
         "key-unknown@9"},
        {"the same name and another key",
         [](Setting& s) {
             s.good();
             s.host.key(kIma, rogue(s.host, "File signer"), 301, "File signer: 1");
         },
         "key-same-name@9"},
        {"the same key and another name",
         [](Setting& s) {
             s.good();
             s.host.key(
                 kIma,
                 certificate(s.host.ima_key.get(), "Other", s.host.builtin_key.get(), "Build key"),
                 301, "Other: 1");
         },
         "key-other-certificate@9"},
        {"an unknown public key in the baseline",
         [](Setting& s) {
             s.good();
             json fields = s.host.key_fields("baseline", 400, "staging", 9, "x");
             fields["public_key"] = cbor_bytes(testing::spki_bits(Host::shared_key(3).get()));
             fields["algorithm"] = "rsa";
             s.host.list.record("baseline", fields);
         },
         "key-unknown@8 baseline-missing@8"},
        {"a key of which nothing is known",
         [](Setting& s) {
             s.good();
             s.host.event("create", 400, "staging", "x");
         },
         "key-unidentified@8"},
        {"a key that left before it was identified",
         [](Setting& s) {
             s.good();
             s.host.event("create", 400, "staging", "x");
             s.host.event("unlink", 400, "staging", "x");
         },
         "key-unidentified@8"},
        {"a key that was reference value of another keyring",
         [](Setting& s) {
             s.good();
             EXPECT_TRUE(s.basis.references.add(rogue(s.host), "x.der", "elsewhere"));
             s.host.key(kIma,
                        Buffer(s.basis.references.all().back().view.der.begin(),
                               s.basis.references.all().back().view.der.end()),
                        301, "x");
         },
         "key-unknown@9"},
        {"an expired certificate",
         [](Setting& s) {
             s.good();
             const Buffer old =
                 certificate(Host::shared_key(3).get(), "Old", s.host.builtin_key.get(),
                             "Build key", {.not_before = 1000, .not_after = 2000});
             EXPECT_TRUE(s.basis.references.add(old, "old.der"));
             s.host.key(kIma, old, 301, "Old: 1");
         },
         "key-expired@9"},
        {"a certificate of the future",
         [](Setting& s) {
             s.good();
             const Buffer young =
                 certificate(Host::shared_key(3).get(), "Young", s.host.builtin_key.get(),
                             "Build key", {.not_before = std::time(nullptr) + 3600});
             EXPECT_TRUE(s.basis.references.add(young, "young.der"));
             s.host.key(kIma, young, 301, "Young: 1");
         },
         "key-not-yet-valid@9"},
        {"a revoked key",
         [](Setting& s) {
             s.good();
             s.host.event("revoke", 300, kIma, "File signer: 11");
         },
         "key-revoked@8 ima-signer-left@ima:1"},
        {"a key that was revoked before the recording began",
         [](Setting& s) {
             s.good();
             json fields = s.host.key_fields("baseline", 300, kIma, 101, "File signer: 11");
             fields["state"] = json::array({"revoked"});
             s.host.list.record("baseline", fields);
         },
         "key-revoked@8 baseline-missing@8 ima-signer-left@ima:1"},
        {"a key whose timeout is over",
         [](Setting& s) {
             s.good();
             json fields = s.host.key_fields("link", 300, "staging", 9, "File signer: 11");
             fields["expiry"] = 1000;
             s.host.list.record("link", fields);
         },
         "key-expired@8"},
        {"a blocked certificate",
         [](Setting& s) {
             s.good();
             s.basis.blocked_keys = *BlockedKeys::parse(to_hex(sha256(s.host.ima)), "blocked");
             s.basis.blocked_keys.extend(s.basis.references);
         },
         "key-blocked@7"},
        {"a signer that is there as a key of another type",
         [](Setting& s) {
             s.good();
             s.basis.policy.keyrings.types = {"*"};
             const Buffer middle = rogue(s.host, "Middle");
             EXPECT_TRUE(s.basis.references.add(middle, "middle.der"));
             // Its bytes are a reference value's; the kernel verifies nothing with it.
             s.host.key(".secondary_trusted_keys", middle, 301, "Middle", "user");
             const Buffer leaf = testing::certificate(Host::shared_key(4).get(), "Leaf",
                                                      Host::shared_key(3).get(), "Middle");
             EXPECT_TRUE(s.basis.references.add(leaf, "leaf.der"));
             s.host.key(kIma, leaf, 302, "Leaf");
         },
         "chain-broken@11"},
        {"a blocked certificate in a keyring that the policy exempts",
         [](Setting& s) {
             s.good();
             s.basis.policy.keyrings.exempt = {kIma};
             s.basis.blocked_keys = *BlockedKeys::parse(to_hex(sha256(s.host.ima)), "blocked");
             s.basis.blocked_keys.extend(s.basis.references);
         },
         "key-blocked@7 ima-signature-key@ima:1"},
        {"a blocked public key, that only the baseline has",
         [](Setting& s) {
             s.good();
             s.basis.blocked_keys = *BlockedKeys::parse(
                 "# why\n" + to_hex(sha256(testing::spki_bits(s.host.builtin_key.get()))) +
                     " why\n",
                 "blocked");
             s.basis.blocked_keys.extend(s.basis.references);
         },
         "key-blocked@4"},
        {"a required key is missing",
         [](Setting& s) {
             s.good();
             EXPECT_TRUE(s.basis.references.add(rogue(s.host), "must.der"));
             s.basis.policy.keys.required = {"must.der"};
         },
         "key-missing"},
        {"a required key was taken away",
         [](Setting& s) {
             s.good();
             s.basis.policy.keys.required = {"*"};
             s.host.event("unlink", 300, kIma, "File signer: 11");
         },
         "key-missing ima-signer-left@ima:1"},
        {"a keyring that nobody watches is linked in",
         [](Setting& s) {
             s.host.rules = "measure func=KEY_CHECK keyrings=.ima\n";
             s.good();
             s.host.list.record("link",
                                s.host.key_fields("link", 500, kIma, 101, "hidden", "keyring"));
         },
         "keyring-unwatched@8"},
        {"a key that nobody vouches for",
         [](Setting& s) {
             s.good();
             const Buffer self =
                 certificate(Host::shared_key(3).get(), "Self", Host::shared_key(3).get(), "Self");
             EXPECT_TRUE(s.basis.references.add(self, "self.der"));
             s.host.key(kIma, self, 301, "Self: 1");
         },
         "chain-broken@9"},
        {"a key under the name of a signer, signed by another",
         [](Setting& s) {
             s.good();
             const Buffer fake = certificate(Host::shared_key(3).get(), "Fake",
                                             Host::shared_key(4).get(), "Build key");
             EXPECT_TRUE(s.basis.references.add(fake, "fake.der"));
             s.host.key(kIma, fake, 301, "Fake: 1");
         },
         "chain-broken@9"},
        {"a key signed over SHA-1",
         [](Setting& s) {
             s.good();
             const Buffer weak =
                 certificate(Host::shared_key(3).get(), "Weak", s.host.builtin_key.get(),
                             "Build key", {.digest = EVP_sha1()});
             EXPECT_TRUE(s.basis.references.add(weak, "weak.der"));
             s.host.key(kIma, weak, 301, "Weak: 1");
         },
         "chain-broken@9"},
        {"a signer that came after what it signed",
         [](Setting& s) {
             s.good();
             const auto middle_key = Host::shared_key(3), leaf_key = Host::shared_key(4);
             const Buffer middle =
                 certificate(middle_key.get(), "Middle", s.host.builtin_key.get(), "Build key");
             const Buffer leaf = certificate(leaf_key.get(), "Leaf", middle_key.get(), "Middle");
             EXPECT_TRUE(s.basis.references.add(middle, "middle.der"));
             EXPECT_TRUE(s.basis.references.add(leaf, "leaf.der"));
             s.host.key(kIma, leaf, 301, "Leaf: 1");
             s.host.key(".secondary_trusted_keys", middle, 302, "Middle: 1");
         },
         "chain-order@9"},
        {"a signer that had gone before what it signed came",
         [](Setting& s) {
             s.good();
             s.host.event("unlink", 200, ".builtin_trusted_keys", "Build key: 00");
             EXPECT_TRUE(s.basis.references.add(rogue(s.host), "x.der"));
             s.host.key(kIma, s.basis.references.all().back().view.der, 301, "x");
         },
         "chain-order@10"},
    }),
    test_name);

}  // namespace forgery_keys_test
}  // namespace keyscribe::appraise
