// SPDX-License-Identifier: Apache-2.0
// What root does to a host that goes on recording: policies, keyrings and PCRs are changed, and the
// list is genuine.
#include "forgery.h"

namespace keyscribe::appraise {
namespace forgery_root_test {

using list::cbor_bytes;
using nlohmann::json;
using testing::Buffer;
using testing::Host;
using testing::kIma;
using testing::rogue;
using testing::Setting;

/// A record about a keyring that belongs to `owner`, which stands in `ring` or in none.
void keyring(Host& host, const char* kind, std::string_view name, int serial, std::uint32_t owner,
             std::string_view ring = {}, int ring_serial = 0) {
    json fields = host.key_fields(kind, serial, ring, ring_serial, name, "keyring");
    fields["uid"] = owner;
    host.list.record(kind, fields);
}

/// A keyring of root's, and then its new owner, as KEYCTL_CHOWN has it.
void give_away(Host& host, std::string_view name, int serial, std::uint32_t to) {
    keyring(host, "create", name, serial, 0);
    keyring(host, "chown", name, serial, to);
}

void put(Host& host, std::string_view ring, int ring_serial, std::uint32_t owner, Bytes payload) {
    host.list.buf(ring, payload);
    json key = host.key_fields("create", 301, ring, ring_serial, "Rogue: 1");
    key["keyring_uid"] = owner;
    key["length"] = payload.size();
    key["plain"] = true;
    key["sha256"] = cbor_bytes(hash(Algorithm::kSha256, payload));
    host.list.record("create", key);
}

json baseline_of_nothing(bool end) {
    if (end) return {{"time", 21}, {"keyrings", 0}, {"keys", 0}};
    return {{"time", 20}, {"reason", "policy"}, {"keyrings", json::array()}};
}

INSTANTIATE_TEST_SUITE_P(
    Root, Forgeries,
    ::testing::ValuesIn(std::vector<Forgery>{
        {"a later policy without rules",
         [](Setting& s) {
             s.good();
             s.host.list.record("policy", Host::policy("# nothing\n", 2));
         },
         "keyring-unmeasured@8 keyring-unmeasured@8"},
        {"a later policy that leaves a keyring out",
         [](Setting& s) {
             s.good();
             s.host.list.record(
                 "policy",
                 Host::policy("measure func=KEY_CHECK keyrings=.builtin_trusted_keys\n", 2));
             s.host.list.record("baseline-begin", baseline_of_nothing(false));
             s.host.list.record("baseline-end", baseline_of_nothing(true));
         },
         "keyring-unmeasured@8"},
        {"a later policy that measures a keyring in part",
         [](Setting& s) {
             s.good();
             s.host.list.record("policy",
                                Host::policy("dont_measure func=KEY_CHECK keyrings=.ima uid=0\n"
                                             "measure func=KEY_CHECK\n",
                                             2));
             s.host.list.record("baseline-begin", baseline_of_nothing(false));
             s.host.list.record("baseline-end", baseline_of_nothing(true));
         },
         "keyring-unmeasured@8"},
        {"a keyring of the kernel's that was given to a user",
         [](Setting& s) {
             s.good();
             json given = s.host.key_fields("chown", 101, "", 0, kIma, "keyring");
             given["uid"] = 1000;
             s.host.list.record("chown", given);
             put(s.host, kIma, 101, 1000, rogue(s.host));
         },
         "key-unknown@10"},
        {"a keyring of root's that was given to a user",
         [](Setting& s) {
             s.good();
             give_away(s.host, "_ima", 500, 1000);
         },
         "keyring-unmeasured@9"},
        {"a key in a keyring that was given to a user",
         [](Setting& s) {
             s.good();
             give_away(s.host, "_ima", 500, 1000);
             put(s.host, "_ima", 500, 1000, rogue(s.host));
         },
         "keyring-unmeasured@9 key-unknown@11"},
        {"a key in a keyring that has another owner, which nobody told",
         [](Setting& s) {
             s.good();
             s.host.list.record("create",
                                s.host.key_fields("create", 500, "", 0, "_ima", "keyring"));
             put(s.host, "_ima", 500, 1000, rogue(s.host));
         },
         "key-unknown@10"},
        {"a user's keyring with a key, which was given to root",
         [](Setting& s) {
             s.good();
             keyring(s.host, "create", "_ima", 500, 1000);
             put(s.host, "_ima", 500, 1000, rogue(s.host));
             keyring(s.host, "chown", "_ima", 500, 0);
         },
         "key-unknown@11"},
        {"a user's keyring with a key, which was given to root, and nobody told",
         [](Setting& s) {
             s.good();
             keyring(s.host, "create", "_ima", 500, 1000);
             put(s.host, "_ima", 500, 1000, rogue(s.host));
             s.host.list.buf("_ima", s.host.ima);
             json made = s.host.key_fields("create", 502, "_ima", 500, "Signer");
             made["keyring_uid"] = 0;
             made["plain"] = true;
             made["sha256"] = list::cbor_bytes(hash(Algorithm::kSha256, s.host.ima));
             s.host.list.record("create", made);
         },
         "key-unknown@12"},
        {"a user's keyring that was root's for a while",
         [](Setting& s) {
             s.good();
             keyring(s.host, "create", "_ima", 500, 1000);
             keyring(s.host, "chown", "_ima", 500, 0);
             keyring(s.host, "chown", "_ima", 500, 1000);
             put(s.host, "_ima", 500, 1000, rogue(s.host));
         },
         "keyring-unmeasured@10 key-unknown@12"},
        {"a keyring of an owner whom nobody told, that was given to a user",
         [](Setting& s) {
             s.good();
             s.host.key("_ima", s.host.ima, 302, "Signer");
             const int serial = s.host.ring_serial("_ima");
             keyring(s.host, "chown", "_ima", serial, 1000);
             put(s.host, "_ima", serial, 1000, rogue(s.host));
         },
         "keyring-unmeasured@10 key-unknown@12"},
        {"a user's keyring with a key, linked into one that signers stand in",
         [](Setting& s) {
             s.good();
             keyring(s.host, "create", "mine", 500, 1000);
             put(s.host, "mine", 500, 1000, rogue(s.host));
             keyring(s.host, "link", "mine", 500, 1000, kIma, 101);
         },
         "keyring-unwatched@11"},
        {"a user's keyring with a key, in one of root's, linked into one that signers stand in",
         [](Setting& s) {
             s.good();
             keyring(s.host, "create", "mine", 500, 1000);
             put(s.host, "mine", 500, 1000, rogue(s.host));
             keyring(s.host, "create", "between", 501, 0);
             keyring(s.host, "link", "mine", 500, 1000, "between", 501);
             keyring(s.host, "link", "between", 501, 0, kIma, 101);
         },
         "keyring-unwatched@12"},
        {"a keyring of which a rule measures little, linked into one that signers stand in",
         [](Setting& s) {
             s.host.rules =
                 "measure func=KEY_CHECK keyrings=.ima|.builtin_trusted_keys\n"
                 "measure func=KEY_CHECK keyrings=staging op=unlink\n";
             s.good();
             keyring(s.host, "create", "staging", 500, 0);
             keyring(s.host, "link", "staging", 500, 0, kIma, 101);
         },
         "keyring-unwatched@9"},
        {"a keyring that is not watched, linked into the one that is",
         [](Setting& s) {
             s.basis.policy.keyrings.watched = {kIma, ".builtin_trusted_keys"};
             s.good();
             keyring(s.host, "create", "staging", 500, 0);
             put(s.host, "staging", 500, 0, rogue(s.host));
             keyring(s.host, "link", "staging", 500, 0, kIma, 101);
         },
         "keyring-unwatched@11"},
        {"a list in a PCR that a dynamic launch resets",
         [](Setting& s) {
             s.host.pcr = s.basis.policy.evidence.pcr = 17;
             s.host.list = testing::ListMaker(17);
             s.host.good();
         },
         "evidence-pcr"},
        {"another kernel with the boot_id of the former one",
         [](Setting& s) {
             s.good();
             json kexec = Host::speaker();
             kexec["entries"] = 8;
             s.host.list.record("kexec", kexec);
             s.host.list.record("policy", Host::policy(s.host.rules));
             s.host.baseline();
         },
         "list-start@8 ima-signer-left@ima:1"},
        {"a kexec that only the kernel's list tells of",
         [](Setting& s) {
             s.good();
             s.host.kernel.aggregate(Host::aggregate_of(s.host.firmware()));
             s.basis.policy.host.allow_kexec = false;
         },
         "kexec@ima:2"},
    }),
    test_name);

/// Entries that a rule put into a PCR that can be reset: some of them may have been taken out.
TEST(OtherPcr, ThatCanBeResetCoversNothing) {
    for (const unsigned pcr : {12u, 16u, 23u}) {
        Setting setting;
        setting.host.rules =
            "measure func=KEY_CHECK\nmeasure func=KEY_CHECK keyrings=x pcr=" + std::to_string(pcr) +
            "\n";
        setting.good();
        setting.host.first_pcrs = setting.host.list.pcrs();
        for (auto& [bank, values] : setting.host.first_pcrs) values[pcr] = filled(bank, 0);
        EXPECT_EQ(testing::codes_of(setting.run()), pcr == 12 ? "" : "entries-missing") << pcr;
    }
}

/// A user's keyring that root gave to another user is nobody's whose keyrings are judged.
TEST(GivenAway, BetweenUsersHarmsNothing) {
    Setting setting;
    setting.good();
    keyring(setting.host, "create", "theirs", 500, 1000);
    keyring(setting.host, "chown", "theirs", 500, 1001);
    put(setting.host, "theirs", 500, 1001, rogue(setting.host));
    EXPECT_EQ(testing::codes_of(setting.run()), "");
}

/// The kernel links each user's keyrings into a register, and each session's holds the user's: no
/// search for a signer comes there.
TEST(Nested, AUsersKeyringsInTheKernelsRegisterHarmNothing) {
    for (const char* ring : {".user_reg", ".persistent_register", "_ses"}) {
        Setting setting;
        setting.good();
        keyring(setting.host, "create", "_uid.1000", 500, 1000);
        put(setting.host, "_uid.1000", 500, 1000, rogue(setting.host));
        keyring(setting.host, "link", "_uid.1000", 500, 1000, ring, setting.host.ring_serial(ring));
        EXPECT_EQ(testing::codes_of(setting.run()), "") << ring;
    }
}

}  // namespace forgery_root_test
}  // namespace keyscribe::appraise
