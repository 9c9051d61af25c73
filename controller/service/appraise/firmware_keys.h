// SPDX-License-Identifier: Apache-2.0
// The keys and revocations that the firmware's and shim's variables hold, against those that the
// kernel put into .platform, .machine and .blacklist.
// Source of what the kernel takes from which variable: security/integrity/platform_certs/
// load_uefi.c, keyring_handler.c, machine_keyring.c; certs/blacklist.c.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>

#include "controller/keyrings/keyring_model.h"
#include "controller/service/appraise/firmware_check.h"
#include "controller/service/appraise/kernel_images.h"
#include "controller/service/appraise/key_source.h"
#include "controller/service/appraise/materials.h"

namespace keyscribe::appraise {

class FirmwareKeys {
  public:
    /// What is wrong with a variable goes to `findings`.
    /// `kernel`: that was booted, and runs; nullptr: it is not known.
    FirmwareKeys(const FirmwareCheck& firmware, const AppraisalPolicy& policy,
                 const KernelImage* kernel, Findings& findings);

    /// Whether a quote covers the variables: otherwise no key is explained, and none is accused.
    bool known() const { return known_; }

    /// A key of .platform, .machine, .blacklist or .builtin_trusted_keys; of another keyring:
    /// KeySource::kList.
    /// `material`: what is known of an asymmetric key, or nullptr.
    KeySource source_of(const keyrings::Key& ring, const keyrings::Key& key,
                        const Material* material) const;
    /// Each revocation that stands in no .blacklist is a finding.
    void tell_missing_revocations(const keyrings::KeyringModel& model, std::int64_t now) const;

  private:
    void take(Bytes variable, const char* name, KeySource first, KeySource others);
    void take_revocations(Bytes variable, const char* name, KeySource source);
    void tell_malformed(const std::optional<Error>& error, const char* name);

    const AppraisalPolicy& policy_;
    Findings& findings_;
    const KernelImage* kernel_;
    bool known_ = false;
    bool lacks_mok_pcr_ = false;
    bool lacks_mok_list_x_ = false;
    std::unordered_map<Sha256, KeySource, base::SeededHash>
        trusted_;  // by subjectPublicKey's SHA-256
    std::unordered_map<Sha256, KeySource, base::SeededHash> machine_;  // of these, MokListRT's
    std::unordered_map<Sha256, KeySource, base::SeededHash> revoked_certificates_;  // likewise
    std::map<std::string, KeySource, std::less<>> revoked_;  // by description: "bin:HEX", "tbs:HEX"
};

}  // namespace keyscribe::appraise
