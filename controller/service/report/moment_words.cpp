// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/moment_words.h"

#include "controller/list/cbor_reader.h"
#include "controller/service/report/words.h"

namespace keyscribe::report {
namespace {

using list::Change;
using list::Operation;
using list::cbor::Map;

constexpr std::string_view kPrefix = "keyscribe:";

Html words(std::string_view text) {
    Html html;
    html.add("{}", text);
    return html;
}

Html key_words(const Change& change) {
    Html html;
    if (!change.type.empty()) html.add(R"(<span class="type">{}</span> )", change.type);
    html.add(R"(<b class="title">{}</b>)", name(change.description));
    return html;
}

Html ring_words(const Change& change) {
    Html html;
    if (change.keyring_name.empty()) return html;
    const bool out = change.operation == Operation::kUnlink;
    html.add(" {} {}", out ? "from" : "in", name(change.keyring_name));
    if (change.operation == Operation::kMove) html.add(", from {}", name(change.from_name));
    return html;
}

Html more_words(const Change& change, bool has_payload) {
    Html html;
    if (change.restriction)
        html.add(", restricted to {}",
                 name(change.restriction->empty() ? "nothing" : *change.restriction));
    if (change.error != 0) html.add(", with error {}", change.error);
    if (change.expiry != 0) html.add(", times out {}", utc(change.expiry));
    if (change.sha256)
        html.add(", {} {}", has_payload ? "content" : "content not measured,",
                 digest(*change.sha256));
    if (!change.withheld.empty()) html.add(" ({})", change.withheld);
    if (!change.public_key.empty())
        html.add(", public key {}", digest(hash(Algorithm::kSha256, change.public_key)));
    if (change.actor) {
        const list::ActorView& actor = *change.actor;
        html.add(R"( <span class="actor">by {}, pid {}, uid {}</span>)",
                 name(actor.exe.empty() ? actor.comm : actor.exe), actor.pid, actor.uid);
    }
    return html;
}

Html change_words(const Change& change, bool has_payload) {
    Html html;
    if (change.operation == Operation::kBaselineBegin) {
        html.add("what is there now, in {}: ", count(change.keyrings.size(), "keyring"));
        constexpr std::size_t kNamed = 20;
        for (std::size_t i = 0; i < std::min(kNamed, change.keyrings.size()); ++i)
            html.add("{}{}", i == 0 ? "" : ", ", name(change.keyrings[i].name));
        if (change.keyrings.size() > kNamed)
            html.add(" and {} more", grouped(change.keyrings.size() - kNamed));
        return html;
    }
    if (change.operation == Operation::kBaselineEnd) return words("that is all");
    html.add("{}{}{}", key_words(change), ring_words(change), more_words(change, has_payload));
    return html;
}

std::string number(const Map& fields, std::string_view member) {
    const auto value = fields.uint(member);
    return value ? grouped(*value) : "an unknown number of";
}

Html speaker_words(const Map& fields) {
    Html html;
    html.add("keyscribe {} on kernel {}, daemon {}, BPF object {}",
             name(fields.text("version").value_or("")), name(fields.text("kernel").value_or("")),
             digest(fields.bytes("controller").value_or(Bytes())),
             digest(fields.bytes("bpf").value_or(Bytes())));
    return html;
}

Html policy_words(const Map& fields) {
    Html html;
    html.add("in force from here on: {}", digest(fields.bytes("digest").value_or(Bytes())));
    const auto files = fields["files"];
    if (!files || files->kind != list::cbor::Kind::kArray) return html;
    Bytes rest = files->content;
    for (int i = 0; i < 20 && !rest.empty(); ++i)
        if (const auto file = Map::of(list::cbor::next(rest)))
            html.add(", {}", name(file->name("name").value_or("")));
    if (!rest.empty()) html.add(", and more");
    return html;
}

Html own_words(std::string_view kind, const Map& fields) {
    if (kind == "start" || kind == "restart") return speaker_words(fields);
    if (kind == "policy") return policy_words(fields);
    if (kind == "loss") return words(number(fields, "count") + " key events were lost");
    if (kind == "missed")
        return words("the kernel skipped " + number(fields, "count") + " runs of a program");
    if (kind == "drop")
        return words(number(fields, "count") + " key events were given up while they waited");
    if (kind == "foreign") return words("somebody else extended the PCR");
    if (const auto what = fields.text("what")) return whole_name(beginning(*what, 400));
    return {};
}

}  // namespace

MomentWords words_of(const Moment& moment) {
    MomentWords told;
    if (moment.skipped) {
        told.operation = words("not covered");
        told.what = name(moment.name);
        return told;
    }
    if (!moment.name.starts_with(kPrefix)) {
        if (moment.buf.empty() && moment.name == "boot_aggregate") {
            told.operation = words("boot");
            told.what = words("the list begins");
            return told;
        }
        told.is_change = true;
        told.operation = words("key");
        told.what.add("content {} in {}", digest(hash(Algorithm::kSha256, moment.buf)),
                      name(moment.name));
        return told;
    }
    const std::string_view kind = moment.name.substr(kPrefix.size());
    told.operation.add("{}", kind);
    if (const auto change = list::parse_change(moment.name, moment.buf); !change) {
        told.what = words("malformed");
    } else if (*change) {
        told.is_change = (*change)->operation != Operation::kBaselineBegin &&
                         (*change)->operation != Operation::kBaselineEnd;
        told.what = change_words(**change, moment.has_payload);
        told.time = (*change)->time;
    } else if (const auto fields = Map::parse(moment.buf)) {
        told.what = own_words(kind, *fields);
        told.time = fields->uint("time");
    }
    return told;
}

}  // namespace keyscribe::report
