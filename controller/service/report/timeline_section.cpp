// SPDX-License-Identifier: Apache-2.0
// Every change, in the order of the list. A long list is folded, and a very long one is told in
// part: its beginning, its end, and whatever a finding stems from.
#include <algorithm>

#include "controller/service/report/moment_words.h"
#include "controller/service/report/sections.h"
#include "controller/service/report/timeline_bounds.h"
#include "controller/service/report/words.h"

namespace keyscribe::report {
namespace {

class Timeline {
  public:
    explicit Timeline(const Context& context)
        : context_(context),
          limits_(context.input.limits),
          moments_(context.story->moments()),
          bounds_(context),
          folds_(moments_.size() > limits_.moments_folded) {}

    Html all() {
        for (std::size_t i = 0; i < moments_.size(); ++i) {
            if (!bounds_.tells(i)) {
                ++left_out_;
                continue;
            }
            tell_left_out();
            item(i);
            if (++folded_ == limits_.moments_folded) fold();
        }
        tell_left_out();
        fold();
        return std::move(html_);
    }
    std::size_t hidden() const { return hidden_; }

  private:
    const std::vector<std::size_t>* findings(const Moment& moment) const {
        const auto found = context_.findings_at.find(moment.entry);
        return found == context_.findings_at.end() ? nullptr : &found->second;
    }

    void tell_left_out() {
        if (left_out_ == 0) return;
        items_.add(R"(<li class="more">{} without a finding {} not shown here.</li>
)",
                   left_out_ == 1 ? "1 more record" : count(left_out_, "more record"),
                   left_out_ == 1 ? "is" : "are");
        hidden_ += left_out_;
        left_out_ = 0;
    }

    /// Every entry of the list that is shown has an anchor; so has the payload before its record.
    Html anchors(const Moment& moment) {
        Html html;
        if (moment.has_payload && moment.entry > 0 && moment.index == 0 &&
            (!last_anchor_ || *last_anchor_ < moment.entry - 1))
            html.add(R"(<span id="entry-{}"></span>)", moment.entry - 1);
        if (!last_anchor_ || *last_anchor_ != moment.entry)
            html.add(R"(<span id="entry-{}"></span>)", moment.entry);
        last_anchor_ = moment.entry;
        return html;
    }

    void item(std::size_t i) {
        const Moment& moment = moments_[i];
        const MomentWords told = words_of(moment);
        const auto* found = findings(moment);
        Html marks;
        bool counts = false;
        if (found != nullptr && bounds_.is_first(i)) {
            for (const std::size_t index : *found) {
                const auto& finding = context_.input.appraisal.findings[index];
                counts = counts || finding.weight != appraise::Weight::kNote;
                marks.add(R"( <a class="mark" href="#finding-{}">{}</a>)", index, finding.code);
            }
            ++folded_findings_;
        }
        items_.add(
            R"(<li class="moment {}{}">{}<span class="place">{}</span><span class="when">{}</span><span class="what"><span class="op">{}</span> {}{}</span></li>
)",
            told.is_change ? "change" : "own", counts ? " bad" : "", anchors(moment),
            grouped(moment.entry), time(told.time), told.operation, told.what, marks);
        if (folded_ == 0) first_entry_ = moment.entry;
        last_entry_ = moment.entry;
    }

    Html time(std::optional<std::uint64_t> boot_time) const {
        Html html;
        if (!boot_time || *boot_time == 0) return html;
        html.add("+{}", duration(*boot_time / 1'000'000));
        if (const auto wall = wall_clock(context_.input.evidence, *boot_time))
            html.add(R"(<span class="wall">{}</span>)", utc(*wall));
        return html;
    }

    /// Where a finding leads to is open, for browsers that do not unfold on their own.
    void fold() {
        if (items_.empty()) return;
        if (folds_) {
            Html found;
            if (folded_findings_ != 0)
                found.add(R"( <span class="badge bad">findings in {}</span>)",
                          count(folded_findings_, "entry"));
            html_.add(R"(<details class="fold"{}><summary>Entries {} to {}{}</summary>
<ol class="timeline">
{}</ol></details>
)",
                      folded_findings_ != 0 || html_.empty() ? Html::of(" open") : Html(),
                      grouped(first_entry_), grouped(last_entry_), found, items_);
        } else {
            html_.add("<ol class=\"timeline\">\n{}</ol>\n", items_);
        }
        items_ = {};
        folded_ = folded_findings_ = 0;
    }

    const Context& context_;
    const Limits& limits_;
    const std::vector<Moment>& moments_;
    const TimelineBounds bounds_;
    const bool folds_;
    Html html_, items_;
    std::size_t folded_ = 0, folded_findings_ = 0, left_out_ = 0, hidden_ = 0;
    std::uint64_t first_entry_ = 0, last_entry_ = 0;
    std::optional<std::uint64_t> last_anchor_;
};

}  // namespace

Html timeline_section(const Context& context) {
    Timeline timeline(context);
    const Html items = timeline.all();
    Html html;
    html.add(R"(<section id="timeline" aria-labelledby="timeline-title">
<h2 id="timeline-title">Timeline</h2>
<p class="note">{} in {}. Each line: number of the entry, time after boot{}, and what was recorded.</p>
)",
             count(context.story->moments().size(), "record"),
             count(context.input.appraisal.entries, "entry"),
             wall_clock(context.input.evidence, 0)
                 ? " (below it by the host’s own clock, for which nothing vouches)"
                 : "");
    if (timeline.hidden() != 0)
        html.add(
            R"(<p class="more">{} more records without a finding are not shown on this page; <code>keyscribe list</code> on the host has them all.</p>
)",
            grouped(timeline.hidden()));
    html.add("{}</section>\n", items);
    return html;
}

}  // namespace keyscribe::report
