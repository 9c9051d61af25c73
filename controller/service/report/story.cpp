// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/story.h"

#include "controller/list/cbor_reader.h"
#include "controller/list/template_data.h"
#include "controller/list/unfold.h"

namespace keyscribe::report {

Story::Story(const appraise::Appraisal::Next& next) {
    list_ = next.kept.empty() ? next.added : next.kept;
    if (!next.kept.empty() && !next.added.empty()) {
        joined_.reserve(next.kept.size() + next.added.size());
        joined_.assign(next.kept.begin(), next.kept.end());
        joined_.insert(joined_.end(), next.added.begin(), next.added.end());
        list_ = joined_;
    }
    list::ListReader reader(list_);
    for (std::uint64_t number = 0;; ++number) {
        const auto entry = reader.next();
        if (!entry || !*entry) break;
        tell(**entry, number, next.state.pcr);
    }
    model_.finish();
}

void Story::tell(const list::Entry& entry, std::uint64_t number, unsigned pcr) {
    const auto fields = list::decode_fields(entry.template_name, entry.template_data);
    const std::string_view name = fields ? fields->name : std::string_view();
    auto records = list::Unfolded::of(entry, number);
    if (entry.pcr != pcr || entry.is_violation() || !records) {
        moments_.push_back({.entry = number, .name = name, .skipped = true});
        return;
    }
    bool told = false;
    for (; const auto record = records->next(); told = true) tell(*record);
    if (!told) moments_.push_back({.entry = number, .name = name});
}

void Story::tell(const list::LogicalRecord& record) {
    // What is malformed is a finding already, and changes nothing here.
    (void)model_.feed(record);
    Moment moment{record.entry, record.index, record.name, record.buf};
    const auto change = list::parse_change(record.name, record.buf);
    if (change && *change && (*change)->plain && !moments_.empty() &&
        !moments_.back().name.starts_with("keyscribe:")) {
        moment.has_payload = true;
        moments_.back() = moment;
        return;
    }
    if (record.name == "keyscribe:start" || record.name == "keyscribe:restart")
        if (const auto fields = list::cbor::Map::parse(record.buf))
            speakers_.push_back({.entry = record.entry,
                                 .version = fields->text("version").value_or(""),
                                 .kernel = fields->text("kernel").value_or(""),
                                 .boot_id = fields->text("boot_id").value_or(""),
                                 .controller = fields->bytes("controller").value_or(Bytes()),
                                 .bpf = fields->bytes("bpf").value_or(Bytes())});
    moments_.push_back(moment);
}

}  // namespace keyscribe::report
