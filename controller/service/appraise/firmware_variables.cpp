// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/firmware_variables.h"

#include <algorithm>

#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/codes.h"
#include "controller/service/firmware/guid.h"
#include "controller/service/firmware/signature_list.h"

namespace keyscribe::appraise {
namespace {

/// One EFI_SIGNATURE_DATA of a variable.
struct Held {
    std::optional<Sha256> digest;  ///< a certificate's, or the one that stands there
    Bytes owner;
    std::string text;  ///< for people
};

Held read_held(const firmware::SignatureList& list, std::size_t index) {
    const Bytes data = list.signatures[index];
    Held one{.digest = {}, .owner = list.owners[index], .text = {}};
    constexpr std::size_t kDigest = std::tuple_size_v<Sha256>;
    if (list.type == &firmware::kX509) {
        one.digest = sha256(data);
        one.text = "the certificate " + to_hex(*one.digest);
    } else if ((list.type == &firmware::kSha256 || list.type == &firmware::kX509Sha256) &&
               data.size() >= kDigest) {
        std::ranges::copy(data.first(kDigest), one.digest.emplace().begin());
        one.text = "the digest " + to_hex(*one.digest);
    } else {
        one.text = list.type == nullptr ? "an entry of an unknown type"
                                        : std::string("an entry of type ") + list.type->name;
    }
    one.text += " of owner " + firmware::text_of_guid(one.owner);
    return one;
}

std::vector<Held> content_of(Bytes variable) {
    std::vector<Held> found;
    for (const firmware::SignatureList& list : firmware::read_signature_lists(variable).lists)
        for (std::size_t i = 0; i < list.signatures.size(); ++i)
            found.push_back(read_held(list, i));
    return found;
}

bool is_it(const ExpectedSignature& expected, const Held& one) {
    if (expected.digest) return one.digest == expected.digest;
    return std::ranges::equal(*expected.owner, one.owner);
}

std::string text_of(const ExpectedSignature& expected) {
    return expected.digest ? to_hex(*expected.digest)
                           : "anything of owner " + firmware::text_of_guid(*expected.owner);
}

}  // namespace

void check_variables(const FirmwareCheck& firmware, const AppraisalPolicy& policy,
                     Findings& findings) {
    using Expected = std::vector<ExpectedSignature>;
    const auto& expected = policy.firmware;
    const bool asked = !expected.pk.empty() || !expected.kek.empty() || !expected.db.empty() ||
                       !expected.dbx.empty();
    if (!asked) return;
    if (!firmware.secure_boot())
        return findings.add(codes::kFirmwareKeyMissing,
                            "nothing that a quote covers says what PK, KEK, db and dbx hold");
    const auto check_all_named = [&](const char* name, Bytes variable, const Expected& named) {
        if (named.empty()) return;
        const std::vector<Held> content = content_of(variable);
        if (content.empty())
            findings.add(codes::kFirmwareKeyMissing, std::string(name) + " holds nothing");
        for (const Held& one : content)
            if (std::ranges::none_of(named, [&](const auto& each) { return is_it(each, one); }))
                findings.add(codes::kFirmwareKeyUnexpected,
                             std::string(name) + " holds " + one.text +
                                 ", which the appraisal policy does not name");
    };
    check_all_named("PK", firmware.secure_boot()->pk, expected.pk);
    check_all_named("KEK", firmware.secure_boot()->kek, expected.kek);
    check_all_named("db", firmware.secure_boot()->db, expected.db);
    const std::vector<Held> revoked = content_of(firmware.secure_boot()->dbx);
    for (const ExpectedSignature& each : expected.dbx)
        if (std::ranges::none_of(revoked, [&](const Held& one) { return is_it(each, one); }))
            findings.add(codes::kFirmwareKeyMissing, "dbx lacks " + text_of(each));
}

}  // namespace keyscribe::appraise
