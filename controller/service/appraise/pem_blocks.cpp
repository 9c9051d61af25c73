// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/pem_blocks.h"

#include <algorithm>
#include <array>

#include "controller/base/base64.h"

namespace keyscribe::appraise {
namespace {

constexpr std::string_view kInLine = " \t\v\f";

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(kInLine);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(kInLine) - first + 1);
}

/// The label of a line that is `-----BEGIN LABEL-----` and nothing else; empty for another line.
std::string_view label_of(std::string_view line, std::string_view begin) {
    constexpr std::string_view kDashes = "-----";
    if (!line.starts_with(begin) || !line.ends_with(kDashes) ||
        line.size() <= begin.size() + kDashes.size())
        return {};
    const auto label = line.substr(begin.size(), line.size() - begin.size() - kDashes.size());
    return label.find('-') == label.npos && trimmed(label) == label ? label : std::string_view();
}

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";

/// Whether the line has a BEGIN or END, in whatever form: quoted, commented out, with other dashes.
bool is_boundary(std::string_view line) {
    constexpr std::array<std::string_view, 12> kSigns{
        "--BEGIN",        "--END",          "-- BEGIN",    "-- END",
        "BEGIN CERTIFIC", "END CERTIFIC",   "BEGIN PKCS7", "END PKCS7",
        "BEGIN PUBLIC K", "END PUBLIC KEY", "BEGIN X509",  "BEGIN TRUSTED"};
    return std::ranges::any_of(
        kSigns, [line](std::string_view sign) { return line.find(sign) != line.npos; });
}

}  // namespace

std::vector<TextLine> lines_of(std::string_view text) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    std::vector<TextLine> lines;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
        if (const auto line = trimmed(text.substr(0, end)); !line.empty())
            lines.push_back({line, number});
        text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : end < text.size()));
    }
    return lines;
}

std::string at_line(const std::string& file, std::size_t number) {
    return file + ':' + std::to_string(number);
}

Result<PemText> read_pem(std::string_view text, const std::string& file) {
    PemText found;
    std::string base64;
    bool inside = false;
    for (const TextLine& line : lines_of(text)) {
        const auto begun = label_of(line.text, kBegin);
        const auto ended = label_of(line.text, kEnd);
        if (!begun.empty()) {
            if (inside)
                return fail("a PEM block without its END line",
                            at_line(file, found.blocks.back().line));
            found.blocks.push_back({.label = std::string(begun), .line = line.number});
            inside = true;
            base64.clear();
        } else if (!ended.empty()) {
            if (!inside || found.blocks.back().label != ended)
                return fail("an END line without its BEGIN line", at_line(file, line.number));
            auto data = from_base64(base64);
            if (!data || data->empty())
                return fail("a PEM block whose content is not base64",
                            at_line(file, found.blocks.back().line));
            found.blocks.back().data = std::move(*data);
            inside = false;
        } else if (is_boundary(line.text)) {
            return fail("a BEGIN or END line of PEM that has something else in it",
                        at_line(file, line.number),
                        "it has to stand in a line of its own, without quotes or comment signs");
        } else if (inside) {
            base64 += line.text;
        } else {
            found.between.push_back(line);
        }
    }
    if (inside)
        return fail("a PEM block without its END line", at_line(file, found.blocks.back().line));
    return found;
}

}  // namespace keyscribe::appraise
