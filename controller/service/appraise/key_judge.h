// SPDX-License-Identifier: Apache-2.0
// Judges the keys that stand, or stood, in keyrings: listens to the KeyringModel and compares what
// it tells with the reference values and the appraisal policy.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controller/keyrings/keyring_model.h"
#include "controller/service/appraise/blocked.h"
#include "controller/service/appraise/firmware_keys.h"
#include "controller/service/appraise/key_verdict.h"
#include "controller/service/appraise/materials.h"
#include "controller/service/appraise/policy.h"
#include "controller/service/appraise/signature_cache.h"
#include "policy/rule.h"

namespace keyscribe::appraise {

/// The only type whose keys verify signatures.
inline constexpr std::string_view kAsymmetric = "asymmetric";

/// A key in a keyring, for a time.
struct Presence {
    keyrings::LinkId link = keyrings::kNone;
    std::string_view ring;
    MaterialId material = kNoMaterial;
    keyrings::Place since, until;  ///< until: nowhere while it stands and lives
    bool left = false;             ///< it ended; a key that may be revoked does not by that
    bool baseline = false;         ///< it was there when the recording began, or began again
    bool judged = false;           ///< its type and keyring are such that it must be known
    bool vouches = false;          ///< a reference value, judged and asymmetric: it may sign others
};

class KeyJudge {
  public:
    KeyJudge(const AppraisalPolicy& policy, const ReferenceValues& references,
             const BlockedKeys& blocked, std::int64_t now, SignatureCache* signatures,
             Findings& findings)
        : policy_(policy),
          references_(references),
          blocked_(blocked),
          now_(now),
          signatures_(signatures),
          findings_(findings),
          materials_(references) {}

    /// The list that the model's extents are in: two parts of one.
    void set_list(Bytes kept, Bytes added) {
        kept_ = kept;
        added_ = added;
    }
    /// The policy that is in force from here on: the last one says which keyrings rules name.
    void policy(const list::Policy& record);
    /// After the model took it.
    void baseline(const keyrings::KeyringModel& model, const list::BaselineBegin& begin);
    /// The model has taken a record. `facts`: what it says of a key, or nullptr.
    void changed(const keyrings::KeyringModel& model, const list::KeyFacts* facts,
                 std::uint64_t entry);
    /// A plain entry that need not be remembered: there are very many unknown ones already.
    bool is_beyond_bounds(const list::Payload& payload) const;
    void tell_beyond_bounds(std::string_view ring, std::uint64_t entry);
    /// After the last record: what is missing, where keys come from, who vouches for whom.
    void finish(const keyrings::KeyringModel& model, const FirmwareKeys& firmware);

    const Materials& materials() const { return materials_; }
    /// Of these users, those with a keyring that is judged, or whose keys stood in one.
    std::set<std::uint32_t> judged_users(const keyrings::KeyringModel& model,
                                         const std::set<std::uint32_t>& users) const;
    /// After finish().
    const std::vector<Presence>& presences() const { return presences_; }
    /// After finish(): when, by the clock alone, another verdict may be due; INT64_MAX: never.
    std::int64_t until() const { return until_; }
    /// By the model's links, after finish().
    std::vector<KeyVerdict> take_verdicts() { return std::move(verdicts_); }

  private:
    /// A key in a keyring, and how sentences name it: few keys need one.
    struct Subject {
        const Material& material;
        std::string_view ring, description;
        std::string text() const;
    };
    Bytes bytes(keyrings::Extent extent) const;
    void evaluate(const keyrings::KeyringModel& model, keyrings::LinkId link, std::uint64_t entry);
    void find_material(const keyrings::KeyringModel& model, keyrings::KeyId key,
                       const list::KeyFacts* facts);
    MaterialId material_of(keyrings::KeyId key) const;
    bool is_watched(std::string_view ring) const;
    bool is_of_user(const keyrings::Key& ring) const;
    bool verifies_something(std::string_view ring) const;
    std::set<keyrings::KeyId> searched_keyrings(const keyrings::KeyringModel& model) const;
    bool is_named(const keyrings::KeyringModel& model, keyrings::KeyId ring) const;
    void tell_given_away(const keyrings::Key& ring, std::uint64_t entry);
    void note_adopted(const keyrings::KeyringModel& model, keyrings::KeyId ring,
                      std::uint64_t entry);
    void judge_adopted(const keyrings::KeyringModel& model);
    void give_reason(keyrings::LinkId link, const Code& code, bool allowed);
    void add(keyrings::LinkId link, const Code& code, bool allowed, std::string sentence,
             std::uint64_t entry);
    void judge_reference(keyrings::LinkId link, const Subject& key, std::uint64_t entry);
    void judge_dates(keyrings::LinkId link, const Subject& key, std::uint64_t entry);
    void tell_unidentified(const keyrings::KeyringModel& model);
    void tell_uncompared(const keyrings::KeyringModel& model);
    void tell_unwatched(const keyrings::KeyringModel& model);
    void tell_timed_out(const keyrings::KeyringModel& model);
    void note_time(std::int64_t time);
    bool has_left(const keyrings::KeyringModel& model, const keyrings::Link& link) const;
    void tell_missing(const keyrings::KeyringModel& model);
    void find_sources(const keyrings::KeyringModel& model, const FirmwareKeys& firmware);
    void collect_presences(const keyrings::KeyringModel& model);

    const AppraisalPolicy& policy_;
    const ReferenceValues& references_;
    const BlockedKeys& blocked_;
    std::int64_t now_, until_ = INT64_MAX;
    SignatureCache* signatures_;
    Findings& findings_;
    Materials materials_;
    Bytes kept_, added_;
    std::vector<MaterialId> material_of_;                          // by KeyId
    std::vector<MaterialId> judged_as_;                            // by LinkId
    std::unordered_map<keyrings::KeyId, std::uint64_t> timeouts_;  // the entry that tells of it
    std::map<keyrings::LinkId, std::uint64_t> unidentified_;       // the entry that tells of it
    // Keyrings of another owner's before, and the entry since which they are judged.
    std::unordered_map<keyrings::KeyId, std::uint64_t> adopted_;
    std::vector<KeyVerdict> verdicts_;  // by LinkId
    std::vector<Presence> presences_;
    list::Policy last_policy_;         // views into the list
    policy::Policy in_force_;          // the last of the list
    std::set<keyrings::KeyId> named_;  // keyrings that a baseline says a rule names
};

}  // namespace keyscribe::appraise
