// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/measuring_policy.h"

#include <algorithm>

#include "controller/base/little_endian.h"
#include "controller/list/cbor_reader.h"
#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/coverage.h"
#include "policy/parser.h"

namespace keyscribe::appraise {
namespace {

namespace cbor = list::cbor;

void append_sized(std::vector<std::uint8_t>& to, std::string_view text) {
    std::uint8_t size[4];
    store_le32(size, static_cast<std::uint32_t>(text.size()));
    to.insert(to.end(), std::begin(size), std::end(size));
    to.insert(to.end(), text.begin(), text.end());
}

bool is_glob(std::string_view name) { return name.find_first_of("*?") != name.npos; }

}  // namespace

void MeasuringPolicies::record(const list::LogicalRecord& record) {
    if (record.name == "keyscribe:policy")
        in_force(record.entry, record.buf);
    else if (record.name == "keyscribe:baseline-begin")
        baseline(record.buf);
}

void MeasuringPolicies::in_force(std::uint64_t number, Bytes buf) {
    const auto fields = cbor::Map::parse(buf);
    const auto digest = fields ? fields->bytes("digest") : std::nullopt;
    const auto list = fields ? (*fields)["files"] : std::nullopt;
    if (!digest || !list || list->kind != cbor::Kind::kArray) return;  // the judge tells it
    std::vector<File> files;
    std::vector<std::uint8_t> all;
    for (Bytes rest = list->content; !rest.empty();) {
        const auto file = cbor::Map::of(cbor::next(rest));
        const auto name = file ? file->name("name") : std::nullopt,
                   text = file ? file->name("text") : std::nullopt;
        if (!name || !text) {
            findings_.add(codes::kRecordMalformed, "a policy's file without name or text",
                          in_list(number));
            return;
        }
        files.push_back({*name, *text});
        append_sized(all, *name);
        append_sized(all, *text);
    }
    seen_ = true;
    last_ = number;
    told_.clear();
    const Digest right = hash(Algorithm::kSha256, all);
    rules_known_ = std::ranges::equal(Bytes(right), *digest);
    if (!rules_known_)
        // Without files there is nothing that contradicts the digest, but nothing that bears it
        // out: a service that expects certain policies must see their text.
        findings_.add(codes::kPolicyDigest, files.empty() && policy_.host.policies.empty(),
                      "the policy's digest " + to_hex(*digest) +
                          (files.empty() ? " stands there without the files that it is of"
                                         : " is not that of its files, " + to_hex(right)),
                      in_list(number));
    if (rules_known_) read_rules(number, files);
}

void MeasuringPolicies::read_rules(std::uint64_t number, const std::vector<File>& files) {
    std::vector<policy::Source> sources;
    for (const File& file : files)
        sources.push_back({printable(file.name), std::string(file.text)});
    const auto parsed =
        ++read_ <= kMaxPolicies
            ? policy::parse(sources)
            : std::unexpected(policy::Diagnostics{{{.message = "too many policies"}}, 0});
    if (!parsed) {
        rules_known_ = false;
        findings_.add(
            codes::kPolicyUnreadable,
            "the rules of the policy cannot be read: " +
                base::printable(policy::headline(parsed.error().errors.front(), "error"), 512),
            in_list(number));
        return;
    }
    for (const policy::Rule& rule : parsed->rules)
        if (rule.action == policy::Action::kMeasure && rule.pcr &&
            *rule.pcr != policy_.evidence.pcr &&
            std::ranges::find(pcrs_, *rule.pcr, &std::pair<unsigned, std::uint64_t>::first) ==
                pcrs_.end())
            pcrs_.emplace_back(*rule.pcr, number);
    // One that was in force for a moment is enough for a key to come and go unmeasured.
    for (const std::string& name : policy_.keyrings.watched)
        if (!covers_keyring(*parsed, name, policy_)) unmeasured_.insert(name);
}

/// Where a policy's text is not there, its baselines name the keyrings that it watches.
void MeasuringPolicies::baseline(Bytes buf) {
    const auto fields = cbor::Map::parse(buf);
    const auto rings = fields ? (*fields)["keyrings"] : std::nullopt;
    if (!rings || rings->kind != cbor::Kind::kArray) return;
    for (Bytes rest = rings->content; !rest.empty();) {
        const auto ring = cbor::Map::of(cbor::next(rest));
        const auto name = ring ? ring->name("name") : std::nullopt;
        if (!name) return;
        const auto named = std::ranges::find(policy_.keyrings.watched, *name);
        if (named != policy_.keyrings.watched.end()) told_.insert(*named);
    }
}

bool MeasuringPolicies::measures(std::string_view keyring) const {
    return rules_known_ ? !unmeasured_.contains(keyring) : told_.contains(keyring);
}

void MeasuringPolicies::finish() {
    if (!seen_) return;  // the judge tells it
    for (const std::string& name : policy_.keyrings.watched)
        if (!is_glob(name) && !matches_any(policy_.keyrings.exempt, name) && !measures(name))
            findings_.add(codes::kKeyringUnmeasured,
                          "keys of the keyring \"" + printable(name) +
                              "\" are to be judged, and no rule of the host's policy measures them",
                          in_list(last_));
}

}  // namespace keyscribe::appraise
