// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/measuring_policy.h"

#include <algorithm>
#include <span>

#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/coverage.h"

namespace keyscribe::appraise {

MeasuringPolicies::MeasuringPolicies(const AppraisalPolicy& policy, Findings& findings)
    : policy_(policy), findings_(findings) {
    for (const Names* names : {&policy.keyrings.watched, &policy.keyrings.signers})
        for (const std::string& name : *names)
            if (!is_glob(name) && !matches_any(policy.keyrings.exempt, name)) named_.insert(name);
}

void MeasuringPolicies::record(const list::LogicalRecord& record) {
    const auto kind = list::record_kind(record.name);
    if (kind != "policy" && kind != "policy-part" && kind != "baseline-begin" && kind != "start" &&
        kind != "restart" && kind != "kexec")
        return;
    auto parsed = list::parse_record(record.name, record.buf);
    if (!parsed) return;  // the judge tells it
    parts_.complete(*parsed);
    if (const auto* policy = std::get_if<list::Policy>(&*parsed))
        in_force({static_cast<std::uint32_t>(record.entry), record.index}, *policy);
    if (const auto* begin = std::get_if<list::BaselineBegin>(&*parsed)) baseline(*begin);
}

void MeasuringPolicies::in_force(keyrings::Place place, const list::Policy& policy) {
    seen_ = true;
    last_ = place.entry;
    told_.clear();
    const Digest right = list::policy_digest(policy.files);
    rules_known_ = std::ranges::equal(Bytes(right), policy.digest);
    if (!rules_known_)
        // Without files there is nothing that contradicts the digest, but nothing that bears it
        // out: a service that expects certain policies must see their text.
        findings_.add(codes::kPolicyDigest, policy.files.empty() && policy_.host.policies.empty(),
                      "the policy's digest " + to_hex(policy.digest) +
                          (policy.files.empty() ? " stands there without the files that it is of"
                                                : " is not that of its files, " + to_hex(right)),
                      in_list(place.entry));
    if (rules_known_) read_rules(place, policy);
}

void MeasuringPolicies::read_rules(keyrings::Place place, const list::Policy& record) {
    auto parsed = ++read_ <= kMaxPolicies ? parse_measuring_policy(record)
                                          : Result<policy::Policy>(fail("too many policies"));
    if (!parsed) {
        constexpr std::size_t kLongest = 512;
        rules_known_ = false;
        findings_.add(codes::kPolicyUnreadable,
                      "the rules of the policy cannot be read: " +
                          base::printable_lines(parsed.error().what.substr(0, kLongest)),
                      in_list(place.entry));
        return;
    }
    for (const policy::Rule& rule : parsed->rules)
        if (rule.action == policy::Action::kMeasure && rule.pcr &&
            *rule.pcr != policy_.evidence.pcr &&
            std::ranges::find(pcrs_, *rule.pcr, &std::pair<unsigned, std::uint64_t>::first) ==
                pcrs_.end())
            pcrs_.emplace_back(*rule.pcr, place.entry);
    // One that was in force for a moment is enough for a key to come and go unmeasured.
    for (const std::string_view name : named_)
        if (!covers_keyring(*parsed, name, policy_)) unmeasured_.insert(name);
    in_force_.push_back({place, std::move(*parsed)});
}

/// Entries of policies that do not measure the keyring, as the one before did.
std::vector<keyrings::Place> MeasuringPolicies::leaving(std::string_view keyring) const {
    std::vector<keyrings::Place> places;
    bool measured = covers_keyring(in_force_.front().rules, keyring, policy_);
    for (const InForce& next : std::span(in_force_).subspan(1)) {
        const bool measures = covers_keyring(next.rules, keyring, policy_);
        if (measured && !measures) places.push_back(next.place);
        measured = measures;
    }
    return places;
}

void MeasuringPolicies::keyring(std::string_view judged, keyrings::Place since,
                                keyrings::Place until) {
    // A host has some ten of which keys are judged.
    constexpr std::size_t kMostKeyrings = 1000;
    // Where policies are named, each of them is accepted as it is. finish() tells named keyrings.
    if (in_force_.size() < 2 || !policy_.host.policies.empty()) return;
    if (named_.contains(judged)) return;
    const bool told = left_.size() > kMostKeyrings;
    const auto [found, fresh] = left_.try_emplace(judged);
    if (told) {
        if (fresh) left_.erase(found);
        return;
    }
    if (fresh && left_.size() > kMostKeyrings)
        return findings_.add(codes::kKeyringUnmeasured,
                             "there are so many keyrings that nobody looks at whether each policy "
                             "measures each of them");
    if (fresh) found->second = leaving(judged);
    std::vector<keyrings::Place>& places = found->second;
    const auto left = std::ranges::lower_bound(places, since);
    if (left == places.end() || *left >= until) return;
    findings_.add(codes::kKeyringUnmeasured,
                  "keys of the keyring \"" + printable(judged) +
                      "\" are judged, and from this policy on no rule measures them any more",
                  in_list(left->entry));
    places.clear();
}

/// Where a policy's text is not there, its baselines name the keyrings that it watches.
void MeasuringPolicies::baseline(const list::BaselineBegin& begin) {
    for (const list::KeyringName& ring : begin.keyrings)
        if (const auto named = named_.find(ring.name); named != named_.end()) told_.insert(*named);
}

bool MeasuringPolicies::measures(std::string_view keyring) const {
    return rules_known_ ? !unmeasured_.contains(keyring) : told_.contains(keyring);
}

void MeasuringPolicies::finish() {
    if (!seen_) return;  // the judge tells it
    for (const std::string_view name : named_)
        if (!measures(name))
            findings_.add(codes::kKeyringUnmeasured,
                          "keys of the keyring \"" + printable(name) +
                              "\" are to be judged, and no rule of the host's policy measures them",
                          in_list(last_));
}

}  // namespace keyscribe::appraise
