// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/firmware_keys.h"

#include <algorithm>
#include <set>

#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/codes.h"
#include "controller/service/firmware/signature_list.h"

namespace keyscribe::appraise {
namespace {

constexpr std::string_view kPlatform = ".platform", kMachine = ".machine",
                           kBlacklist = ".blacklist", kBuiltIn = ".builtin_trusted_keys";

using Sources = std::unordered_map<Sha256, KeySource, base::SeededHash>;

std::optional<KeySource> find(const Sources& sources, const Material* material) {
    if (material == nullptr || !material->key_digest) return std::nullopt;
    const auto found = sources.find(*material->key_digest);
    return found == sources.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

FirmwareKeys::FirmwareKeys(const FirmwareCheck& firmware, const AppraisalPolicy& policy,
                           const KernelImage* kernel, Findings& findings)
    : policy_(policy),
      findings_(findings),
      kernel_(kernel),
      known_(firmware.secure_boot().has_value()),
      lacks_mok_pcr_(firmware.lacks_mok_pcr()),
      lacks_mok_list_x_(firmware.lacks_mok_list_x()) {
    if (!known_) return;
    // The order decides nothing but what is told of a key that stands in several variables.
    take(firmware.mok_list(), "MokListRT", KeySource::kShim, KeySource::kMok);
    machine_ = trusted_;
    take(firmware.secure_boot()->db, "db", KeySource::kDb, KeySource::kDb);
    take_revocations(firmware.secure_boot()->dbx, "dbx", KeySource::kDbx);
    take_revocations(firmware.mok_list_x(), "MokListXRT", KeySource::kMokX);
}

void FirmwareKeys::tell_malformed(const std::optional<Error>& error, const char* name) {
    if (error)
        findings_.add(codes::kFirmwareEvent, policy_.firmware.allow_unknown_events,
                      std::string(name) +
                          " is malformed, and the kernel took no more of it: " + to_string(*error));
}

void FirmwareKeys::take(Bytes variable, const char* name, KeySource first, KeySource others) {
    const firmware::SignatureLists read = firmware::read_signature_lists(variable);
    tell_malformed(read.malformed, name);
    for (const firmware::SignatureList& list : read.lists) {
        if (list.type != &firmware::kX509) continue;
        const KeySource source = &list == &read.lists.front() ? first : others;
        for (const Bytes der : list.signatures)
            if (const auto view = keyrings::view_certificate(der))
                trusted_.emplace(sha256(view->public_key), source);
    }
}

void FirmwareKeys::take_revocations(Bytes variable, const char* name, KeySource source) {
    const firmware::SignatureLists read = firmware::read_signature_lists(variable);
    tell_malformed(read.malformed, name);
    constexpr std::size_t kDigest = std::tuple_size_v<Sha256>;
    for (const firmware::SignatureList& list : read.lists)
        for (const Bytes data : list.signatures) {
            if (list.type == &firmware::kX509) {
                if (const auto view = keyrings::view_certificate(data))
                    revoked_certificates_.emplace(sha256(view->public_key), source);
            } else if (list.type == &firmware::kSha256 && data.size() == kDigest) {
                revoked_.emplace("bin:" + to_hex(data), source);
            } else if (list.type == &firmware::kX509Sha256 && data.size() >= kDigest) {
                revoked_.emplace("tbs:" + to_hex(data.first(kDigest)), source);
            }
        }
}

KeySource FirmwareKeys::source_of(const keyrings::Key& ring, const keyrings::Key& key,
                                  const Material* material) const {
    const std::string_view name = ring.description;
    if (key.is_keyring()) return KeySource::kList;
    if (name == kBuiltIn && kernel_ != nullptr && material != nullptr && material->key_digest)
        return kernel_->keys.contains(*material->key_digest) ? KeySource::kKernelImage
                                                             : KeySource::kNotOfKernel;
    if (!known_) return KeySource::kList;
    std::optional<KeySource> found;
    if (name == kPlatform)
        found = find(trusted_, material);
    else if (name == kMachine)
        found = find(machine_, material);
    else if (name != kBlacklist)
        return KeySource::kList;
    else if (const auto revoked = revoked_.find(key.description);
             revoked != revoked_.end() && std::string_view(key.type) == "blacklist")
        found = revoked->second;
    else
        found = find(revoked_certificates_, material);
    // Where nothing shows what shim's variables hold, they may hold it.
    return found.value_or(lacks_mok_pcr_ ? KeySource::kList : KeySource::kNotOfFirmware);
}

void FirmwareKeys::tell_missing_revocations(const keyrings::KeyringModel& model,
                                            std::int64_t now) const {
    if (!known_) return;
    const bool allowed = policy_.firmware.allow_missing_revocations;
    if (lacks_mok_list_x_)
        findings_.add(
            codes::kRevocationMissing, allowed,
            "what shim revokes is not known: nothing that the host sent is PCR 14's second "
            "event");
    if (revoked_.empty()) return;
    std::set<std::string, std::less<>> held;
    bool measured = false;
    for (const keyrings::KeyId ring : model.keyrings_named(kBlacklist)) {
        if (model.key(ring).looked_at != 0) measured = true;
        for (const keyrings::LinkId id : model.contents(ring))
            if (model.holds(model.link(id), now))
                held.insert(model.key(model.link(id).key).description);
    }
    if (!measured) {
        findings_.add(
            codes::kRevocationMissing, true,
            "the list does not say what .blacklist holds, so that it was not compared with "
            "the " +
                std::to_string(revoked_.size()) + " revocations of the firmware");
        return;
    }
    for (const auto& [description, source] : revoked_)
        if (!held.contains(description))
            findings_.add(
                codes::kRevocationMissing, allowed,
                description +
                    (source == KeySource::kDbx ? ", which dbx revokes," : ", which shim revokes,") +
                    " does not stand in .blacklist");
}

}  // namespace keyscribe::appraise
