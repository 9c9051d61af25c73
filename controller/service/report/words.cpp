// SPDX-License-Identifier: Apache-2.0
#include "controller/service/report/words.h"

#include <ctime>

namespace keyscribe::report {
namespace {

std::string formatted(std::int64_t seconds, const char* format) {
    const std::time_t time = seconds;
    std::tm parts{};
    char text[64];
    if (::gmtime_r(&time, &parts) == nullptr ||
        std::strftime(text, sizeof text, format, &parts) == 0)
        return {};
    return text;
}

}  // namespace

std::string grouped(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
    return text;
}

std::string count(std::uint64_t number, std::string_view one) {
    const bool entries = one == "entry";
    const std::string_view stem = entries && number != 1 ? one.substr(0, one.size() - 1) : one;
    return fmt::format("{} {}{}", grouped(number), stem, number == 1 ? "" : entries ? "ies" : "s");
}

std::string utc(std::int64_t seconds) { return formatted(seconds, "%Y-%m-%d %H:%M:%S UTC"); }
std::string day(std::int64_t seconds) { return formatted(seconds, "%Y-%m-%d"); }

std::string duration(std::uint64_t milliseconds) {
    const std::uint64_t minutes = milliseconds / 60'000;
    if (minutes < 2) return fmt::format("{}.{:03} s", milliseconds / 1000, milliseconds % 1000);
    const std::uint64_t hours = minutes / 60, days = hours / 24;
    if (hours == 0) return fmt::format("{} min {} s", minutes, milliseconds / 1000 % 60);
    if (days == 0) return fmt::format("{} h {} min", hours, minutes % 60);
    return fmt::format("{} d {} h {} min", grouped(days), hours % 24, minutes % 60);
}

std::optional<std::int64_t> wall_clock(const evidence::Evidence* evidence,
                                       std::uint64_t boot_time) {
    constexpr std::uint64_t kLatest = 100'000'000'000;  // the year 5138: no sum overflows
    if (evidence == nullptr || evidence->boot_time == 0 || evidence->time > kLatest)
        return std::nullopt;
    const auto seconds = [](std::uint64_t time) {
        return static_cast<std::int64_t>(time / 1'000'000'000);
    };
    return static_cast<std::int64_t>(evidence->time) - seconds(evidence->boot_time) +
           seconds(boot_time);
}

Html digest(Bytes bytes) {
    Html html;
    html.add(R"(<code class="digest">{}</code>)", to_hex(bytes));
    return html;
}

Html long_digest(std::string_view hex) {
    Html html;
    html.add(R"(<code class="long">{}</code>)", hex);
    return html;
}

Html long_digest(Bytes bytes) { return long_digest(to_hex(bytes)); }

Html whole_name(std::string_view text) {
    Html html;
    if (text.empty())
        html.add(R"(<em>no name</em>)");
    else
        html.add("<bdi>{}</bdi>", text);
    return html;
}

Html name(std::string_view text) {
    constexpr std::size_t kShown = 120;
    if (text.size() <= kShown) return whole_name(text);
    Html html;
    html.add(R"(<bdi>{}</bdi><span class="cut">… ({})</span>)", beginning(text, kShown),
             count(text.size(), "byte"));
    return html;
}

Html badges(const std::vector<Badge>& badges) {
    Html html;
    for (const Badge& badge : badges)
        html.add(R"(<span class="badge {}">{}</span> )", badge.kind, badge.text);
    return html;
}

}  // namespace keyscribe::report
