// SPDX-License-Identifier: Apache-2.0
#include "controller/keyrings/completeness.h"

#include <algorithm>
#include <utility>

#include "controller/list/record.h"

namespace keyscribe::keyrings {
namespace {

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

/// Whether the daemon measures anything by this policy, which is whole. A record without files
/// whose digest is not that of no files hides its rules: it counts as one that has some, as a
/// malformed one does.
bool has_rules(const Result<list::Record>& record) {
    const auto* policy = record ? std::get_if<list::Policy>(&*record) : nullptr;
    if (policy == nullptr) return true;
    if (policy->files.empty())
        return !std::ranges::equal(policy->digest, Bytes(list::policy_digest({})));
    return std::ranges::any_of(policy->files,
                               [](const list::PolicyFile& file) { return has_rule(file.text); });
}

}  // namespace

void Completeness::record(const list::LogicalRecord& record) {
    const auto told = list::record_kind(record.name);
    if (!told) return;
    const std::string_view kind = *told;
    if (kind == "baseline") {
        if (open_)
            ++open_->keys;
        else
            tell("a key of a baseline that was not begun", record.entry);
    } else if (kind == "start" || kind == "restart" || kind == "kexec") {
        open_.reset();
        parts_ = {};
        due_ = Due{std::string(kind), record.entry};
    } else if (kind == "loss" || kind == "missed" || kind == "drop") {
        if (watches_ && !due_) due_ = Due{std::string(kind), record.entry};
    } else if (kind == "policy") {
        open_.reset();
        auto policy = list::parse_record(record.name, record.buf);
        if (policy) parts_.complete(*policy);
        watches_ = has_rules(policy);
        if (watches_)
            due_ = Due{"policy", record.entry};
        else
            due_.reset();
    } else if (kind == "policy-part") {
        if (auto part = list::parse_record(record.name, record.buf)) parts_.complete(*part);
    } else if (kind == "baseline-begin") {
        begin(record);
    } else if (kind == "baseline-end") {
        end(record);
    }
}

void Completeness::begin(const list::LogicalRecord& record) {
    const auto parsed = list::parse_record(record.name, record.buf);
    const auto* told = parsed ? std::get_if<list::BaselineBegin>(&*parsed) : nullptr;
    if (told != nullptr && told->more) {
        if (open_)
            open_->keyrings += told->keyrings.size();
        else
            tell("more keyrings of a baseline that was not begun", record.entry);
        return;
    }
    if (open_) tell("a baseline that begins before the one before it has ended", record.entry);
    // "order" is of those keyrings alone that several tasks changed at once.
    constexpr std::string_view kOfAll[] = {"start", "restart", "policy", "loss", "missed"};
    open_ = Open{.entry = record.entry};
    if (told == nullptr) return;  // malformed: the judge tells it
    open_->keyrings = told->keyrings.size();
    open_->all = std::ranges::find(kOfAll, told->reason) != std::end(kOfAll);
}

void Completeness::end(const list::LogicalRecord& record) {
    if (!open_) return tell("a baseline that ends and was not begun", record.entry);
    const Open told = *std::exchange(open_, std::nullopt);
    const auto parsed = list::parse_record(record.name, record.buf);
    const auto* ended = parsed ? std::get_if<list::BaselineEnd>(&*parsed) : nullptr;
    if (ended == nullptr) return;  // malformed: the judge tells it, and the baseline stays due
    if (ended->keyrings != told.keyrings || ended->keys != told.keys)
        return tell("a baseline of " + std::to_string(ended->keyrings) + " keyrings and " +
                        std::to_string(ended->keys) + " keys, of which " +
                        std::to_string(told.keyrings) + " and " + std::to_string(told.keys) +
                        " were told",
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
