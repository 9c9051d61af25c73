// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/story.h"

#include "controller/list/template_format.h"
#include "controller/list/unfold.h"

namespace keyscribe::report {

Story::Story(const appraise::Appraisal& appraisal) : appraisal_(appraisal) {
    const appraise::Appraisal::Next& next = *appraisal.next;
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
    Moment moment{record.entry, record.index, record.name, record.buf};
    const auto parsed = list::parse_record(record.name, record.buf);
    const auto* event = parsed ? std::get_if<list::Event>(&*parsed) : nullptr;
    if (event != nullptr && event->plain && !moments_.empty() &&
        !list::record_kind(moments_.back().name)) {
        moment.has_payload = true;
        moments_.back() = moment;
        return;
    }
    if (const auto* start = parsed ? std::get_if<list::Start>(&*parsed) : nullptr)
        speakers_.push_back({.entry = record.entry,
                             .version = start->version,
                             .kernel = start->kernel,
                             .boot_id = start->boot_id,
                             .controller = start->controller,
                             .bpf = start->bpf});
    moments_.push_back(moment);
}

}  // namespace keyscribe::report
