// SPDX-License-Identifier: Apache-2.0
// The kernel's own measurement list: whose signatures the measured files have, and which of them
// are known bad. Source: the kernel's Documentation/security/IMA-templates.rst.
#pragma once

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "controller/service/appraise/blocked.h"
#include "controller/service/appraise/chain.h"
#include "controller/service/appraise/ima_signature.h"
#include "controller/service/appraise/list_pass.h"

namespace keyscribe::appraise {

/// What a kernel's list begins with. A buffer of that name is a key: each user can call a keyring
/// of his own so, and IMA measures it under the keyring's name.
inline bool is_aggregate(const TemplateFields& fields) {
    return fields.name == "boot_aggregate" && !fields.is_buffer();
}

class ImaJudge {
  public:
    /// `keys` is finished: Keyscribe's list was read to its end. `list` is looked through for the
    /// keys that it says came to sign files.
    ImaJudge(const AppraisalPolicy& policy, const KeyJudge& keys, const BlockedFiles& blocked,
             const ListPass& list, Findings& findings);

    /// `compared`: of a boot_aggregate, that it was compared with the firmware's quoted PCRs.
    void entry(const HashedEntry& hashed, bool compared);
    /// How many signatures were verified, and good.
    std::uint64_t verified() const { return verified_; }

  private:
    struct Signer {
        MaterialId material;
        std::vector<std::uint32_t> key_ids;          ///< as signatures name it
        std::set<std::string, std::less<>> rings{};  ///< where it stood, as IMA writes their names
        /// The first entry of this list that could bear its signature: a key that this very list
        /// says came late was not there before.
        std::uint64_t since = 0;
        bool always = false;  ///< it was in the baseline: it may have come before anything
        bool stands = false;  ///< in one of its keyrings, still
    };
    void find_late_signers(const ListPass& list);
    void aggregate(const HashedEntry& hashed, bool compared);
    void file_digest(const HashedEntry& hashed);
    void file_signature(const HashedEntry& hashed);
    void verify_signature(const HashedEntry& hashed, Bytes xattr);
    SignatureCheck check_by(const Signer& signer, const ImaSignature& signature, Bytes digest);

    const AppraisalPolicy& policy_;
    const Materials& materials_;
    const BlockedFiles& blocked_;
    std::optional<TemplateFields> aggregate_;  ///< the first
    Findings& findings_;
    PublicKeys keys_;
    std::vector<Signer> signers_;
    std::uint64_t verified_ = 0;
    /// The signer, the algorithm's number, SHA-256 of signature and digest.
    using GoodSignature = std::tuple<MaterialId, std::uint8_t, Sha256>;
    std::set<GoodSignature> good_;
    std::uint64_t spent_ = 0;  ///< on verifying: see cost_of()
};

}  // namespace keyscribe::appraise
