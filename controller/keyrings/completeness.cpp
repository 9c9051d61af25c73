// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/completeness.h"

#include <algorithm>
#include <utility>

#include "controller/list/cbor_reader.h"

namespace keyscribe::keyrings {
namespace {

namespace cbor = list::cbor;

constexpr std::string_view kPrefix = "keyscribe:";

/// A line that is neither empty nor a comment.
bool has_rule(std::string_view text) {
    bool at_start = true, comment = false;
    for (const char letter : text) {
        if (letter == '\n') {
            at_start = true, comment = false;
        } else if (at_start && letter != ' ' && letter != '\t' && letter != '\r') {
            comment = letter == '#';
            at_start = false;
            if (!comment) return true;
        }
    }
    return false;
}

/// Whether the daemon measures anything by this policy. A record without files whose digest is
/// not that of no files hides its rules: it counts as one that has some.
bool has_rules(Bytes buf) {
    const auto fields = cbor::Map::parse(buf);
    const auto files = fields ? (*fields)["files"] : std::nullopt;
    if (!files || files->kind != cbor::Kind::kArray) return true;
    if (files->content.empty()) {
        const auto digest = fields->bytes("digest");
        return !digest || !std::ranges::equal(*digest, Bytes(hash(Algorithm::kSha256, {})));
    }
    for (Bytes rest = files->content; !rest.empty();) {
        const auto file = cbor::Map::of(cbor::next(rest));
        const auto text = file ? file->name("text") : std::nullopt;
        if (!text || has_rule(*text)) return true;
    }
    return false;
}

}  // namespace

void Completeness::record(const list::LogicalRecord& record) {
    if (!record.name.starts_with(kPrefix)) return;
    const std::string_view kind = record.name.substr(kPrefix.size());
    if (kind == "baseline") {
        if (open_)
            ++open_->keys;
        else
            tell("a key of a baseline that was not begun", record.entry);
    } else if (kind == "start" || kind == "restart") {
        open_.reset();
        due_ = Due{std::string(kind), record.entry};
    } else if (kind == "policy") {
        open_.reset();
        if (has_rules(record.buf))
            due_ = Due{"policy", record.entry};
        else
            due_.reset();
    } else if (kind == "baseline-begin") {
        begin(record);
    } else if (kind == "baseline-end") {
        end(record);
    }
}

void Completeness::begin(const list::LogicalRecord& record) {
    if (open_) tell("a baseline that begins before the one before it has ended", record.entry);
    const auto fields = cbor::Map::parse(record.buf);
    const auto keyrings = fields ? (*fields)["keyrings"] : std::nullopt;
    // "order" is of those keyrings alone that several tasks changed at once.
    constexpr std::string_view kOfAll[] = {"start", "restart", "policy", "loss", "missed"};
    const auto reason = fields ? fields->text("reason") : std::nullopt;
    open_ = Open{.entry = record.entry,
                 .all = reason && std::ranges::find(kOfAll, *reason) != std::end(kOfAll)};
    if (keyrings && keyrings->kind == cbor::Kind::kArray) open_->keyrings = keyrings->number;
}

void Completeness::end(const list::LogicalRecord& record) {
    if (!open_) return tell("a baseline that ends and was not begun", record.entry);
    const Open told = *std::exchange(open_, std::nullopt);
    const auto fields = cbor::Map::parse(record.buf);
    const auto keyrings = fields ? fields->uint("keyrings") : std::nullopt,
               keys = fields ? fields->uint("keys") : std::nullopt;
    if (!keyrings || !keys) return;  // malformed: the judge tells it, and the baseline stays due
    if (*keyrings != told.keyrings || *keys != told.keys)
        return tell("a baseline of " + std::to_string(*keyrings) + " keyrings and " +
                        std::to_string(*keys) + " keys, of which " + std::to_string(told.keyrings) +
                        " and " + std::to_string(told.keys) + " were told",
                    record.entry);
    if (told.all) due_.reset();
}

void Completeness::finish() {
    if (open_)
        tell("the last baseline has not ended: the list does not say yet what the keyrings hold",
             open_->entry);
    else if (due_)
        tell("after the last " + due_->since + " no whole baseline says what the keyrings held",
             due_->entry);
}

}  // namespace keyscribe::keyrings
