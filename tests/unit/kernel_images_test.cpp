// SPDX-License-Identifier: Apache-2.0
// kernel-images.json, and what it says of real guests' keys. The digests are those that
// tpm2_eventlog shows.
#include "controller/service/appraise/kernel_images.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "controller/keyrings/certificate_view.h"
#include "controller/keyrings/keyring_model.h"
#include "controller/service/appraise/firmware_check.h"
#include "guest_evidence.h"

namespace keyscribe::appraise {
namespace kernel_images_test {

using testing::Guest;

const std::string kDebian = "9a7cfc14a8476af91537d2b625fc2044c43e79da01765fd033f8acbc42710b7f";
const std::string kDebianFile = "954e792b6f3772e3e73ce4b91dd1ef322cbbc0f330249c79c831ae0c8ce0a6b0";
const std::string kOther(64, 'a');

std::string certificate_of(Bytes der) {
    return R"({"subject": "CN=x", "sha256": ")" + to_hex(sha256(der)) +
           R"(", "sha256_public_key": ")" +
           to_hex(sha256(keyrings::view_certificate(der).value().public_key)) + "\"}";
}

std::string image(const std::string& name, const std::string& digests,
                  const std::string& certificates) {
    return R"({"name": ")" + name + "\", " + digests + R"(, "certificates": [)" + certificates +
           "]}";
}

std::string file_of(const std::string& images) { return R"({"kernel_images": [)" + images + "]}"; }

/// A guest whose reference values have this kernel-images.json.
struct Known : Guest {
    Known(const std::string& name, const std::string& images) : Guest(name, name == "uefi-7.x") {
        const testing::TempDir folder;
        std::filesystem::copy(testing::kFirmwareFixtures + name + "/references",
                              folder.path() / "r");
        std::ofstream(folder.path() / "r/kernel-images.json") << file_of(images);
        basis.references = ReferenceValues::load(folder.path() / "r").value();
    }
    std::map<KeySource, int> built_in() {
        const Appraisal appraisal = run();
        std::map<KeySource, int> found;
        for (keyrings::LinkId id = 0; id < appraisal.model->links(); ++id)
            if (appraisal.model->key(appraisal.model->link(id).keyring).description ==
                ".builtin_trusted_keys")
                ++found[appraisal.verdicts[id].source];
        return found;
    }
};

std::string own_certificate(const std::string& name) {
    return certificate_of(testing::firmware_fixture(name + "/references/0.der").bytes());
}

TEST(KernelImages, ExplainTheBuiltInKeysOfAHost) {
    const std::string own = own_certificate("uefi-7.x");
    for (const std::string& digests : {"\"sha256_authenticode\": \"" + kDebian + '"',
                                       "\"sha256_file\": \"" + kDebianFile + '"'}) {
        Known guest("uefi-7.x", image("another", "\"sha256_file\": \"" + kOther + '"', "") + ',' +
                                    image("vmlinuz-7.x", digests, own));
        // By its file alone PCR 9 tells that it was read, and not that it was booted.
        const bool started = digests.contains("authenticode");
        EXPECT_EQ(guest.codes(), started ? "" : "[kernel-unknown]") << digests;
        EXPECT_EQ(guest.built_in(), (std::map<KeySource, int>{{KeySource::kKernelImage, 1}}));
        const std::string json = to_json(guest.run(), "");
        EXPECT_NE(json.find(R"("kernel_image":"vmlinuz-7.x")"), std::string::npos) << json;
        EXPECT_NE(json.find("kernel image that was booted (PCR 4, 9 or 11)"), std::string::npos);
        guest.basis.policy.firmware.require_known_kernel = true;
        EXPECT_EQ(guest.codes(), started ? "" : "kernel-unknown");
    }
}

/// Digests of PCR 4 of this guest: shim, GRUB, the kernel twice.
std::vector<Sha256> started_programs(const std::string& name) {
    const Guest guest(name);
    const AppraisalPolicy policy;
    Findings untold;
    return FirmwareCheck(guest.document.evidence, policy, untold).measured(4);
}

TEST(KernelImages, BehindWhichAnotherProgramWasStarted) {
    // GRUB stands for a kernel that is known, and is started before one that is not.
    const std::vector<Sha256> programs = started_programs("uefi-7.x");
    ASSERT_GE(programs.size(), 4u);
    const Sha256 loader = programs[programs.size() - 3];
    Known guest("uefi-7.x", image("old", "\"sha256_authenticode\": \"" + to_hex(loader) + '"',
                                  own_certificate("uefi-7.x")));
    EXPECT_EQ(guest.codes(), "[kernel-unknown]");
    guest.basis.policy.firmware.require_known_kernel = true;
    EXPECT_EQ(guest.codes(), "kernel-unknown");
}

TEST(KernelImages, OfWhichSecureBootHadToShowTheStart) {
    // GRUB read this one: PCR 9 has it, and PCR 4 something else.
    Known guest("uefi-7.x", image("read alone",
                                  "\"sha256_file\": \"" + kDebianFile +
                                      "\", \"sha256_authenticode\": \"" + kOther + '"',
                                  own_certificate("uefi-7.x")));
    EXPECT_EQ(guest.run().kernel_image, "");
    EXPECT_EQ(guest.codes(), "[kernel-unknown]");
}

TEST(KernelImages, WithoutTheKernelsListNothingShowsThatNoOtherWasStarted) {
    Known guest("uefi-7.x", image("vmlinuz-7.x", "\"sha256_authenticode\": \"" + kDebian + '"',
                                  own_certificate("uefi-7.x")));
    guest.basis.policy.firmware.require_known_kernel = true;
    EXPECT_EQ(guest.codes(), "");
    guest.document.evidence.ima.reset();
    EXPECT_EQ(guest.codes(), "kernel-unknown");
}

TEST(KernelImages, OfAUkiByItsSection) {
    // PCR 11 has gone on, with systemd's "sysinit" and "ready".
    Known guest("uki-6.12",
                image("vmlinuz-6.12",
                      "\"sha256_file\": "
                      "\"62a5635487f61a7a56f1a0055c402b837e0eaabcf3f058dae26f81fe675d3e4e\"",
                      own_certificate("uki-6.12")));
    EXPECT_EQ(guest.built_in(), (std::map<KeySource, int>{{KeySource::kKernelImage, 1}}));
    // Root can extend PCR 11 as systemd-stub does, and Secure Boot is off.
    EXPECT_NE(guest.codes().find("[kernel-unknown]"), std::string::npos) << guest.codes();
}

TEST(KernelImages, AKeyThatTheKernelCannotHave) {
    Known guest("uefi-7.x",
                image("vmlinuz-7.x", "\"sha256_authenticode\": \"" + kDebian + '"', ""));
    EXPECT_EQ(guest.codes(), "key-not-of-kernel");
    EXPECT_EQ(guest.built_in(), (std::map<KeySource, int>{{KeySource::kNotOfKernel, 1}}));
    guest.basis.policy.firmware.allow_keys_not_of_kernel = true;
    EXPECT_EQ(guest.codes(), "[key-not-of-kernel]");
}

TEST(KernelImages, AKernelThatIsNotKnown) {
    Known guest("uefi-7.x", image("another", "\"sha256_file\": \"" + kOther + '"', ""));
    EXPECT_EQ(guest.codes(), "[kernel-unknown]");
    guest.basis.policy.firmware.require_known_kernel = true;
    EXPECT_EQ(guest.codes(), "kernel-unknown");
    // Without a log nothing says which kernel was booted.
    Known silent("uefi-7.x", image("x", "\"sha256_file\": \"" + kDebianFile + '"', ""));
    silent.document.evidence.firmware.reset();
    EXPECT_EQ(silent.codes(), "[kernel-unknown]");
    EXPECT_EQ(silent.built_in(), (std::map<KeySource, int>{{KeySource::kList, 1}}));
}

std::string refusal(const std::string& json) {
    const auto parsed = KernelImages::parse(as_bytes(json), "f");
    return parsed ? "" : to_string(parsed.error());
}

TEST(KernelImages, WhatIsNotOfTheFormIsRefused) {
    const std::string digest = "\"sha256_file\": \"" + kOther + '"';
    const std::string key =
        R"({"sha256": ")" + kOther + R"(", "sha256_public_key": ")" + kOther + "\"}";
    EXPECT_NE(refusal(file_of("")), "") << "nothing would ever be compared";
    EXPECT_EQ(refusal(file_of(image("a", digest, key))), "");
    EXPECT_EQ(refusal(file_of(image("a", digest, key) + ',' + image("b", digest, key))), "");
    for (const std::string& wrong :
         {std::string(), std::string("{}"), std::string("[]"), file_of("") + "x",
          file_of(image("", digest, key)), file_of(image("a", "\"sha256_file\": \"12\"", key)),
          file_of(R"({"name": "a", "certificates": []})"),
          file_of(R"({"name": "a", )" + digest + '}'),
          file_of(image("a", digest + ", \"more\": \"\"", key)),
          file_of(image("a", digest, R"({"sha256": ")" + kOther + "\"}")),
          file_of(image("a", digest, key) + ',' + image("b", digest, ""))})
        EXPECT_NE(refusal(wrong), "") << wrong;
    EXPECT_NE(refusal(file_of(image("a", "\"sha256_file\": \"12\"", key)))
                  .find("f: kernel_images.sha256_file: not a SHA-256 digest in hex"),
              std::string::npos)
        << refusal(file_of(image("a", "\"sha256_file\": \"12\"", key)));
}

constexpr const char* kMicrosoft = "77fa9abd-0359-4d32-bd60-28f4e78f784b";
constexpr const char* kPkOwner = "8BE4DF61-93CA-11D2-AA0D-00E098032B8C";
constexpr const char* kKekOwner = "a0baa8a3-041d-48a8-bc87-c36d121b5e3d";
constexpr const char* kDbOwner = "605dab50-e046-4300-abb6-3dd810dd8b23";

std::string named(const char* variable, const std::vector<std::string>& names) {
    std::string text = std::string(variable) + " = [";
    for (const std::string& name : names) text += '"' + name + "\",";
    return text + "]\n";
}

/// The codes of the guest under this [firmware] section.
std::string under(const std::string& section, bool with_log = true) {
    Guest guest("uefi-7.x", true);
    if (!with_log) guest.document.evidence.firmware.reset();
    guest.basis.policy = parse_policy("[firmware]\n" + section, "p").value();
    return guest.codes();
}

TEST(FirmwareVariables, HoldWhatThePolicyNames) {
    EXPECT_EQ(under(named("pk", {kPkOwner}) + named("kek", {kKekOwner, kMicrosoft}) +
                    named("db", {kMicrosoft, kDbOwner})),
              "");
    // Microsoft's two, and the guest's own, which has another owner.
    EXPECT_EQ(under("db = [\"" + std::string(kMicrosoft) + "\"]"), "firmware-key-unexpected");
    EXPECT_EQ(under("db = [\"e8e95f0733a55e8bad7be0a1413ee23c51fcea64b3c8fa6a786935fddcc71961\","
                    " \"48e99b991f57fc52f76149599bff0a58c47154229b9f8d603ac40d3500248507\","
                    " \"f3c2fd3ecfdb3abac7c40c85a914cc5bc0743ac4f9c146db897c708d23c604ca\"]"),
              "");
    EXPECT_EQ(under("pk = [\"" + std::string(kMicrosoft) + "\"]"), "firmware-key-unexpected");
    // OVMF's dbx has the digest of nothing.
    EXPECT_EQ(under("dbx = [\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"]"),
              "");
    EXPECT_EQ(under("dbx = [\"" + kOther + "\"]"), "firmware-key-missing");
    EXPECT_EQ(under("dbx = [\"" + kOther + "\"]", false), "firmware-key-missing");
    EXPECT_FALSE(parse_policy("[firmware]\ndb = [\"77fa9abd-0359-4d32-bd60-28f4e78f784\"]", "p"));
}

TEST(FirmwareVariables, ThatAreEmpty) {
    Guest guest("uki-6.12");  // Secure Boot is off, and nothing is enrolled
    guest.basis.policy = parse_policy("[firmware]\npk = [\"" + kOther + "\"]", "p").value();
    EXPECT_EQ(guest.codes(), "firmware-key-missing [secure-boot-off] [foreign-extend]");
}

}  // namespace kernel_images_test
}  // namespace keyscribe::appraise
