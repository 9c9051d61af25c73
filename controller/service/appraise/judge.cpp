// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/judge.h"

#include <algorithm>

#include "controller/list/template_data.h"
#include "controller/list/unfold.h"
#include "controller/service/appraise/chain.h"
#include "controller/service/appraise/codes.h"

namespace keyscribe::appraise {
namespace {

constexpr std::string_view kRecordPrefix = "keyscribe:";
// Unknown keys beyond this are counted, not remembered: a list of millions must not fill the
// memory.
constexpr std::size_t kMaxMaterials = 30'000;

std::string hex(const Sha256& digest) { return to_hex(digest); }

std::string hex(Bytes digest) { return to_hex(digest); }

}  // namespace

/// How a key is named in sentences.
std::string Judge::Subject::text() const {
    std::string text = "the key";
    std::string name = printable(description);
    if (name.empty() && !material.certificate.empty())
        if (const auto view = keyrings::view_certificate(material.certificate))
            name = keyrings::display_name(*view);
    if (!name.empty()) text += " \"" + name + '"';
    if (material.digest)
        text += " (SHA-256 " + hex(*material.digest) + ')';
    else if (material.key_digest)
        text += " (public key's SHA-256 " + hex(*material.key_digest) + ')';
    return text + " in " + printable(ring);
}

void Judge::entry(std::uint64_t number, const list::Entry& entry, const TemplateFields& fields) {
    last_entry_ = number;
    if (number == 0) {
        // In PCR 10 it is the kernel's own, of whatever template the kernel has.
        const bool is_file = entry.template_name == "ima-ng" || entry.template_name == "ima-sig";
        if (!is_file || fields.name != "boot_aggregate") {
            findings_.add(codes::kListStart, "the list does not begin with boot_aggregate",
                          in_list(0));
        } else {
            claims_.aggregate_algorithm = fields.algorithm;
            claims_.aggregate = fields.digest;
            return;
        }
    } else if (number == 1 && fields.name != "keyscribe:start") {
        findings_.add(codes::kListStart, "the second entry does not say who is speaking",
                      in_list(1));
    }
    Sha256 digest{};
    if (fields.algorithm == "sha256" && fields.digest.size() == digest.size())
        std::ranges::copy(fields.digest, digest.begin());
    else
        digest = sha256(fields.more[0]);
    if (fields.name == "keyscribe:batch")
        batch(number, entry);
    else
        unfolded(number, fields.name, fields.more[0], digest);
}

void Judge::batch(std::uint64_t number, const list::Entry& entry) {
    auto records = list::Unfolded::of(entry, number);
    if (!records) {
        findings_.add(codes::kRecordMalformed, "a batch that is malformed: " + records.error().what,
                      in_list(number));
        return;
    }
    while (const auto record = records->next())
        unfolded(number, record->name, record->buf, sha256(record->buf));
}

void Judge::unfolded(std::uint64_t number, std::string_view name, Bytes buf, const Sha256& digest) {
    if (!name.starts_with(kRecordPrefix)) return plain(number, name, buf, digest);
    record(number, name.substr(kRecordPrefix.size()), buf);
}

void Judge::plain(std::uint64_t number, std::string_view name, Bytes buf, const Sha256& digest) {
    flush();
    if (ledger_.materials() >= kMaxMaterials && references_.by_certificate(digest) == nullptr) {
        if (is_judged(name, "asymmetric"))
            findings_.add(codes::kKeyUnknown, "one key more, in a list of very many",
                          in_list(number));
        return;
    }
    pending_ = Pending{.ring = name, .digest = digest, .entry = number};
    pending_->material = ledger_.by_payload(digest, buf, pending_->fresh);
}

/// The plain entry that waited has no record: it may be of any type, so it is judged as a key.
void Judge::flush() {
    if (!pending_) return;
    const Pending waited = *std::exchange(pending_, std::nullopt);
    const bool judged = is_judged(waited.ring, "asymmetric");
    const bool fresh = ledger_.put({.ring = ledger_.ring(waited.ring),
                                    .material = waited.material,
                                    .since = waited.entry,
                                    .confirmed = waited.entry,
                                    .judged = judged},
                                   {});
    if (fresh && judged) judge(waited.entry, {ledger_.material(waited.material), waited.ring, {}});
}

void Judge::record(std::uint64_t number, std::string_view kind, Bytes buf) {
    constexpr std::string_view kOperations[] = {
        "create", "update",     "instantiate", "reject",  "link",    "unlink", "move",   "clear",
        "revoke", "invalidate", "restrict",    "timeout", "setperm", "chown",  "destroy"};
    const auto fields = cbor::Map::parse(buf);
    bool good = fields.has_value();
    const bool is_event = std::ranges::find(kOperations, kind) != std::end(kOperations);
    if (!is_event || !good || !(*fields)["plain"]) flush();
    if (!good) {
    } else if (is_event) {
        good = event(number, kind, *fields);
    } else if (kind == "start" || kind == "restart") {
        good = start(number, *fields, kind == "restart");
    } else if (kind == "policy") {
        good = policy_in_force(number, *fields);
    } else if (kind == "baseline-begin") {
        good = baseline_begin(number, *fields);
    } else if (kind == "baseline") {
        good = baseline(number, *fields);
    } else if (kind == "baseline-end") {
        good = baseline_end(number, *fields);
    } else {
        good = gap(number, kind, *fields);
    }
    flush();
    if (!good)
        findings_.add(codes::kRecordMalformed,
                      "a record keyscribe:" + printable(kind) + " that is malformed",
                      in_list(number));
}

bool Judge::start(std::uint64_t number, const cbor::Map& fields, bool again) {
    const auto version = fields.text("version"), kernel = fields.text("kernel"),
               boot_id = fields.text("boot_id");
    const auto controller = fields.bytes("controller"), bpf = fields.bytes("bpf");
    if (!version || !kernel || !boot_id || !controller || !bpf) return false;
    if (!again && claims_.started)
        findings_.add(codes::kListStart, "the list begins a second time", in_list(number));
    if (again) {
        ++claims_.restarts;
        findings_.add(codes::kRestarted, policy_.host.allow_restart,
                      "the daemon was restarted: for a while nobody wrote down what happened",
                      in_list(number));
    }
    if (claims_.started && *boot_id != claims_.boot_id)
        findings_.add(codes::kBootId, "the list goes on in another boot than it began in",
                      in_list(number));
    claims_.version = *version;
    claims_.kernel = *kernel;
    claims_.boot_id = *boot_id;
    claims_.started = true;
    const auto expect = [&](const auto& expected, Bytes found, const Code& code, const char* what) {
        if (expected.empty() || std::ranges::any_of(expected, [&](const auto& digest) {
                return std::ranges::equal(digest, found);
            }))
            return;
        findings_.add(code, std::string(what) + " is not an expected one: SHA-256 " + hex(found),
                      in_list(number));
    };
    expect(policy_.host.controllers, *controller, codes::kControllerUnexpected, "the daemon");
    expect(policy_.host.bpf, *bpf, codes::kBpfUnexpected, "the BPF object");
    return true;
}

bool Judge::policy_in_force(std::uint64_t number, const cbor::Map& fields) {
    const auto digest = fields.bytes("digest");
    if (!digest || digest->size() != 32) return false;
    const std::string found = hex(*digest);
    const auto& expected = policy_.host.policies;
    const bool known = std::ranges::any_of(
        expected, [&](const auto& one) { return std::ranges::equal(one, *digest); });
    if (!expected.empty() && !known)
        findings_.add(codes::kPolicyUnexpected,
                      "the policy is not an expected one: SHA-256 " + found, in_list(number));
    if (expected.empty() && policy_seen_ && found != claims_.policy &&
        !policy_.host.allow_policy_change)
        findings_.add(codes::kPolicyUnexpected, "the policy was changed: SHA-256 " + found,
                      in_list(number));
    claims_.policy = found;
    policy_seen_ = true;
    return true;
}

/// What makes the list incomplete.
bool Judge::gap(std::uint64_t number, std::string_view kind, const cbor::Map& fields) {
    const auto count = fields.uint("count");
    const auto tell = [&](const Code& code, const std::string& sentence) {
        findings_.add(code, sentence, in_list(number));
    };
    if (kind == "loss") {
        if (!count) return false;
        tell(codes::kEventsLost,
             std::to_string(*count) + " key events were lost: the ring was full");
    } else if (kind == "missed") {
        if (!count) return false;
        tell(codes::kEventsMissed,
             "the kernel skipped " + std::to_string(*count) + " runs of a program");
    } else if (kind == "drop") {
        if (!count) return false;
        tell(codes::kEventsDropped,
             std::to_string(*count) + " key events were given up while they waited");
    } else if (kind == "foreign") {
        tell(codes::kForeignExtend,
             "somebody else extended the PCR: what stands before this entry "
             "is not covered by the quote");
    } else if (kind == "detached" || kind == "tampered" || kind == "tpm") {
        const auto what = fields.text("what");
        if (!what) return false;
        if (kind == "tpm")
            tell(codes::kTpmReset,
                 "what the PCR had was extended a second time: " + printable(*what));
        else if (kind == "detached")
            tell(codes::kDetached, "the recording was interfered with: " + printable(*what));
        else
            tell(codes::kTampered,
                 "the list or spool was changed on the host: " + printable(*what));
    } else {
        tell(codes::kRecordUnknown, "a record of an unknown kind: keyscribe:" + printable(kind));
    }
    return true;
}

std::optional<MaterialId> Judge::material_of(const cbor::Map& fields) {
    if (const auto digest = fields.bytes("sha256"); digest && digest->size() == 32) {
        Sha256 known;
        std::ranges::copy(*digest, known.begin());
        bool fresh = false;
        return ledger_.by_payload(known, {}, fresh);
    }
    if (const auto key = fields.bytes("public_key"); key && !key->empty()) {
        std::vector<Bytes> ids;
        if (const auto list = fields["ids"]; list && list->kind == cbor::Kind::kArray)
            for (Bytes rest = list->content; !rest.empty();)
                if (const auto id = cbor::next(rest).bytes()) ids.push_back(*id);
        return ledger_.by_public_key(*key, fields.text("algorithm").value_or(std::string_view()),
                                     std::move(ids));
    }
    const auto serial = fields.integer("key");
    return serial ? ledger_.by_serial(*serial) : std::nullopt;
}

void Judge::put(std::uint64_t number, std::string_view ring, std::optional<MaterialId> material,
                const cbor::Map& fields) {
    const auto type = fields.name("type").value_or(std::string_view());
    const auto description = fields.name("description").value_or(std::string_view());
    if (type == "keyring") {
        linked_.push_back({ring, description, number});
        return;
    }
    const bool judged = is_judged(ring, type);
    if (const auto expiry = fields.integer("expiry"); judged && expiry && *expiry < now_)
        findings_.add(codes::kKeyExpired, policy_.keys.allow_expired,
                      "the key \"" + printable(description) + "\" in " + printable(ring) +
                          " has a timeout that is over",
                      in_list(number));
    if (!material) {
        if (judged && !fields["error"])
            findings_.add(codes::kKeyUnidentified,
                          "the key \"" + printable(description) + "\" in " + printable(ring) +
                              " cannot be identified: the list has neither its content nor its "
                              "public key",
                          in_list(number));
        return;
    }
    const std::uint64_t since = baseline_since_ != 0 ? baseline_since_ : number;
    const bool fresh = ledger_.put({.ring = ledger_.ring(ring),
                                    .material = *material,
                                    .serial = fields.integer("key").value_or(0),
                                    .since = since,
                                    .confirmed = number,
                                    .baseline = baseline_since_ != 0,
                                    .judged = judged},
                                   std::string(type) + '\0' + std::string(description));
    if (fresh && judged) judge(number, {ledger_.material(*material), ring, description});
}

bool Judge::event(std::uint64_t number, std::string_view operation, const cbor::Map& fields) {
    const auto serial = fields.integer("key");
    const auto ring = fields.name("keyring_name");
    const auto type = fields.name("type"), description = fields.name("description");
    if (!serial || !ring || !type || !description || !fields.uint("seq") || !fields.uint("time"))
        return false;

    std::optional<MaterialId> material = material_of(fields);
    if (const auto plain = fields["plain"]) {
        const auto waited = std::exchange(pending_, std::nullopt);
        const auto digest = fields.bytes("sha256");
        if (plain->kind != cbor::Kind::kTrue || !waited || !digest ||
            waited->ring != list::ima_event_name(*ring) ||
            !std::ranges::equal(*digest, waited->digest)) {
            pending_ = waited;
            return false;
        }
        material = waited->material;
    }
    if (operation == "create" || operation == "update" || operation == "instantiate" ||
        operation == "link" || operation == "move") {
        if (operation == "move")
            if (const auto from = fields.name("from_name"); from && *from != *ring)
                ledger_.remove(ledger_.ring(*from), *serial, number);
        put(number, *ring, material, fields);
    } else if (operation == "unlink") {
        ledger_.remove(ledger_.ring(*ring), *serial, number);
    } else if (operation == "clear") {
        ledger_.clear(ledger_.ring(ring->empty() ? *description : *ring), number);
    } else if (operation == "destroy") {
        ledger_.remove_everywhere(*serial, number);
    } else if (operation == "revoke" || operation == "invalidate") {
        ledger_.remove_everywhere(*serial, number);
        if (is_judged(*ring, *type))
            findings_.add(codes::kKeyRevoked, policy_.keys.allow_revoked,
                          "the key \"" + printable(*description) + "\" in " + printable(*ring) +
                              " was " + (operation == "revoke" ? "revoked" : "invalidated"),
                          in_list(number));
    }
    return true;
}

bool Judge::baseline_begin(std::uint64_t number, const cbor::Map& fields) {
    const auto rings = fields["keyrings"];
    if (!rings || rings->kind != cbor::Kind::kArray) return false;
    baseline_since_ = number;
    for (Bytes rest = rings->content; !rest.empty();) {
        const auto ring = cbor::Map::of(cbor::next(rest));
        const auto name = ring ? ring->name("name") : std::nullopt;
        if (!name) return false;
        baseline_rings_.insert(ledger_.ring(*name));
        watched_by_host_.emplace(*name);
    }
    return true;
}

bool Judge::baseline(std::uint64_t number, const cbor::Map& fields) {
    const auto serial = fields.integer("key"), keyring = fields.integer("keyring");
    const auto ring = fields.name("keyring_name");
    const auto type = fields.name("type"), description = fields.name("description");
    if (!serial || !keyring || !ring || !type || !description) return false;
    if (*keyring == 0 && *type == "keyring") {
        watched_by_host_.emplace(*description);
        return true;
    }
    bool dead = false;
    if (const auto states = fields["state"]; states && states->kind == cbor::Kind::kArray)
        for (Bytes rest = states->content; !rest.empty();) {
            const auto state = cbor::next(rest).text();
            dead = dead || (state && *state != "under construction");
            if (!is_judged(*ring, *type) || (state != "revoked" && state != "invalidated"))
                continue;
            findings_.add(codes::kKeyRevoked, policy_.keys.allow_revoked,
                          "the key \"" + printable(*description) + "\" in " + printable(*ring) +
                              " is " + printable(*state),
                          in_list(number));
        }
    const auto material = material_of(fields);
    if (dead && !material) return true;
    put(number, *ring, material, fields);
    if (dead) ledger_.remove(ledger_.ring(*ring), *serial, number);
    return true;
}

bool Judge::baseline_end(std::uint64_t number, const cbor::Map& fields) {
    if (baseline_since_ == 0) return false;
    for (const RingId ring : baseline_rings_)
        ledger_.forget_unconfirmed(ring, baseline_since_, number);
    baseline_rings_.clear();
    baseline_since_ = 0;
    const auto appeared = fields.uint("appeared").value_or(0),
               vanished = fields.uint("vanished").value_or(0);
    if (appeared != 0 || vanished != 0)
        findings_.add(codes::kBaselineDiffers, policy_.host.allow_restart,
                      "while nobody recorded, " + std::to_string(appeared) + " keys appeared and " +
                          std::to_string(vanished) + " vanished",
                      in_list(number));
    return true;
}

bool Judge::is_watched(std::string_view ring) const {
    return matches_any(policy_.keyrings.watched, ring) &&
           !matches_any(policy_.keyrings.exempt, ring);
}

bool Judge::is_judged(std::string_view ring, std::string_view type) const {
    return matches_any(policy_.keyrings.types, type) && is_watched(ring);
}

void Judge::judge(std::uint64_t number, const Subject& key) {
    const Material& material = key.material;
    const bool blocked = (material.digest && blocked_.contains(*material.digest)) ||
                         (material.key_digest && blocked_.contains(*material.key_digest));
    if (blocked)
        findings_.add(codes::kKeyBlocked, key.text() + " is on the blocked list", in_list(number));
    judge_reference(number, key);
    judge_dates(number, key);
}

void Judge::judge_reference(std::uint64_t number, const Subject& key) {
    const Material& material = key.material;
    const Match match = references_.match(material.digest, material.key_digest, key.ring);
    if (match == Match::kCertificate) return;
    if (match == Match::kPublicKey) {
        if (material.has_payload)
            findings_.add(
                codes::kKeyOtherCertificate, policy_.keys.allow_other_certificate,
                key.text() + " has a reference value's public key, but is another certificate",
                in_list(number));
        return;
    }
    if (!material.digest && !material.key_digest) return;
    const auto view = keyrings::view_certificate(material.certificate);
    const auto* same_name = view ? references_.by_subject(view->subject) : nullptr;
    if (match == Match::kOtherKeyring)
        findings_.add(codes::kKeyUnknown,
                      key.text() + " is a reference value of another keyring only",
                      in_list(number));
    else if (same_name != nullptr)
        findings_.add(codes::kKeySameName,
                      key.text() + " bears the name of a reference value, but is another key",
                      in_list(number));
    else
        findings_.add(codes::kKeyUnknown, key.text() + " is not among the reference values",
                      in_list(number));
}

void Judge::judge_dates(std::uint64_t number, const Subject& key) {
    // A reference value was taken apart when it was loaded.
    const auto view = key.material.by_certificate
                          ? std::optional(key.material.reference->view)
                          : keyrings::view_certificate(key.material.certificate);
    if (!view) return;
    if (view->not_after < now_)
        findings_.add(codes::kKeyExpired, policy_.keys.allow_expired, key.text() + " has expired",
                      in_list(number));
    if (view->not_before > now_)
        findings_.add(codes::kKeyNotYetValid, policy_.keys.allow_not_yet_valid,
                      key.text() + " is not valid yet", in_list(number));
}

/// Reference values that stand in no keyring.
void Judge::missing() {
    std::vector<bool> held(references_.all().size());
    for (const Presence& presence : ledger_.presences()) {
        if (presence.until != kStill || !presence.judged) continue;
        const Material& material = ledger_.material(presence.material);
        const std::vector<std::uint32_t>* found = nullptr;
        if (material.digest) found = references_.by_certificate(*material.digest);
        if (found == nullptr && material.key_digest && !material.has_payload)
            found = references_.by_public_key(*material.key_digest);
        if (found == nullptr) continue;
        for (const std::uint32_t index : *found) {
            const std::string& only = references_.all()[index].keyring;
            if (only.empty() || only == ledger_.ring_name(presence.ring)) held[index] = true;
        }
    }
    std::size_t optional = 0;
    for (std::size_t i = 0; i < held.size(); ++i) {
        if (held[i]) continue;
        if (policy_.keys.required.empty()) {
            ++optional;
            continue;
        }
        const Reference& reference = references_.all()[i];
        const std::string name = reference.file.substr(reference.file.rfind('/') + 1);
        const bool required =
            std::ranges::any_of(policy_.keys.required, [&](const std::string& one) {
                return one == "*" || one == name || one == hex(reference.digest);
            });
        if (!required)
            ++optional;
        else
            findings_.add(codes::kKeyMissing,
                          "the key of " + printable(name) + " (SHA-256 " + hex(reference.digest) +
                              ") is required and stands in no keyring" +
                              (reference.keyring.empty() ? "" : " " + reference.keyring));
    }
    if (optional != 0)
        findings_.add(codes::kKeyMissing, true,
                      std::to_string(optional) + " of " + std::to_string(held.size()) +
                          " reference values stand in no keyring, and none of them is required");
}

void Judge::finish() {
    flush();
    if (!claims_.started && last_entry_ != 0)
        findings_.add(codes::kListStart, "nothing in the list says who is speaking");
    if (last_entry_ == 0)
        findings_.add(codes::kListStart, "the list is empty");
    else if (!policy_seen_)
        findings_.add(codes::kPolicyMissing, "no policy was in force: nothing was measured");
    for (const Linked& linked : linked_)
        if (is_watched(linked.ring) && !watched_by_host_.contains(linked.name))
            findings_.add(codes::kKeyringUnwatched,
                          "the keyring \"" + printable(linked.name) + "\" is linked into " +
                              printable(linked.ring) + ", and nobody watches it",
                          in_list(linked.entry));
    missing();
    check_chains(policy_, ledger_, findings_);
}

}  // namespace keyscribe::appraise
