// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/moment_words.h"

#include "controller/list/record.h"
#include "controller/service/report/words.h"

namespace keyscribe::report {
namespace {

using list::Operation;

Html words(std::string_view text) {
    Html html;
    html.add("{}", text);
    return html;
}

Html key_words(const list::KeyFacts& key) {
    Html html;
    if (!key.type.empty()) html.add(R"(<span class="type">{}</span> )", key.type);
    html.add(R"(<b class="title">{}</b>)", name(key.description));
    return html;
}

Html fact_words(const list::KeyFacts& key) {
    Html html;
    if (key.expiry != 0) html.add(", times out {}", utc(key.expiry));
    if (!key.public_key.empty())
        html.add(", public key {}", digest(hash(Algorithm::kSha256, key.public_key)));
    return html;
}

/// What a record says, in words; nothing of its kind's name.
struct Words {
    bool has_payload;

    Html operator()(const list::Event& event) const {
        Html html = key_words(event.key);
        if (const std::string_view ring = event.key.keyring.name; !ring.empty()) {
            const bool out = event.operation == Operation::kUnlink;
            html.add(" {} {}", out ? "from" : "in", name(ring));
            if (event.operation == Operation::kMove) html.add(", from {}", name(event.from.name));
        }
        if (event.restriction)
            html.add(", restricted to {}",
                     name(event.restriction->empty() ? "nothing" : *event.restriction));
        if (event.error != 0) html.add(", with error {}", event.error);
        if (event.sha256)
            html.add(", {} {}", has_payload ? "content" : "content not measured,",
                     digest(*event.sha256));
        if (!event.withheld.empty()) html.add(" ({})", event.withheld);
        html.add("{}", fact_words(event.key));
        if (event.actor)
            html.add(R"( <span class="actor">by {}, pid {}, uid {}</span>)",
                     name(event.actor->exe.empty() ? event.actor->comm : event.actor->exe),
                     event.actor->pid, event.actor->uid);
        return html;
    }
    Html operator()(const list::Baseline& baseline) const {
        Html html = key_words(baseline.key);
        if (const std::string_view ring = baseline.key.keyring.name; !ring.empty())
            html.add(" in {}", name(ring));
        html.add("{}", fact_words(baseline.key));
        return html;
    }
    Html operator()(const list::BaselineBegin& begin) const {
        Html html;
        html.add("what is there now, in {}: ", count(begin.keyrings.size(), "keyring"));
        constexpr std::size_t kNamed = 20;
        for (std::size_t i = 0; i < std::min(kNamed, begin.keyrings.size()); ++i)
            html.add("{}{}", i == 0 ? "" : ", ", name(begin.keyrings[i].name));
        if (begin.keyrings.size() > kNamed)
            html.add(" and {} more", grouped(begin.keyrings.size() - kNamed));
        return html;
    }
    Html operator()(const list::BaselineEnd&) const { return words("that is all"); }
    Html operator()(const list::Start& start) const {
        Html html;
        html.add("keyscribe {} on kernel {}, daemon {}, BPF object {}", name(start.version),
                 name(start.kernel), digest(start.controller), digest(start.bpf));
        return html;
    }
    Html operator()(const list::Policy& policy) const {
        Html html;
        html.add("in force from here on: {}", digest(policy.digest));
        constexpr std::size_t kNamed = 20;
        for (std::size_t i = 0; i < std::min(kNamed, policy.files.size()); ++i)
            html.add(", {}", name(policy.files[i].name));
        if (policy.files.size() > kNamed) html.add(", and more");
        return html;
    }
    Html operator()(const list::PolicyPart& part) const {
        Html html = words("part of the policy that follows");
        for (const list::PolicyFile& file : part.files) html.add(", {}", name(file.name));
        return html;
    }
    Html operator()(const list::Loss& loss) const {
        return words(grouped(loss.count) + " key events were lost");
    }
    Html operator()(const list::Missed& missed) const {
        Html html = words("the kernel skipped " + grouped(missed.count) + " runs of a program");
        if (!missed.operations.empty()) html.add(" of: {}", name(missed.operations));
        return html;
    }
    Html operator()(const list::Drop& drop) const {
        return words(grouped(drop.count) + " key events were given up while they waited");
    }
    Html operator()(const list::Foreign&) const { return words("somebody else extended the PCR"); }
    Html operator()(const list::Tampered& one) const { return sentence(one.what); }
    Html operator()(const list::TpmChange& one) const { return sentence(one.what); }
    Html operator()(const list::Detached& one) const { return sentence(one.what); }
    Html operator()(const list::Canary&) const {
        return words("capture was looked at, and worked");
    }
    Html operator()(const list::Unknown&) const { return {}; }
    Html operator()(const list::Payload& payload) const {
        Html html;
        html.add("content {} in {}", digest(hash(Algorithm::kSha256, payload.bytes)),
                 name(payload.keyring));
        return html;
    }

  private:
    static Html sentence(std::string_view what) { return whole_name(beginning(what, 400)); }
};

/// When it was; nothing: the record does not say.
std::optional<std::uint64_t> time_of(const list::Record& record) {
    return std::visit(
        []<class Kind>(const Kind& one) -> std::optional<std::uint64_t> {
            if constexpr (requires { one.key.time; })
                return one.key.time;
            else if constexpr (requires { one.time; })
                return one.time;
            else
                return std::nullopt;
        },
        record);
}

}  // namespace

MomentWords words_of(const Moment& moment) {
    MomentWords told;
    if (moment.skipped) {
        told.operation = words("not covered");
        told.what = name(moment.name);
        return told;
    }
    if (moment.buf.empty() && moment.name == "boot_aggregate") {
        told.operation = words("boot");
        told.what = words("the list begins");
        return told;
    }
    told.operation.add("{}", list::record_kind(moment.name).value_or("key"));
    const auto record = list::parse_record(moment.name, moment.buf);
    if (!record) {
        told.what = words("malformed");
        return told;
    }
    told.is_change = std::holds_alternative<list::Event>(*record) ||
                     std::holds_alternative<list::Baseline>(*record) ||
                     std::holds_alternative<list::Payload>(*record);
    told.what = std::visit(Words{moment.has_payload}, *record);
    told.time = time_of(*record);
    return told;
}

}  // namespace keyscribe::report
