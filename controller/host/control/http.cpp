// SPDX-License-Identifier: Apache-2.0
#include "controller/host/control/http.h"

#include <algorithm>
#include <charconv>

namespace keyscribe::control {
namespace {

constexpr std::string_view kEndOfLine = "\r\n";

/// Cuts off what stands before `separator`; the whole text where there is none.
std::string_view cut(std::string_view& text, std::string_view separator) {
    const auto at = text.find(separator);
    const std::string_view first = text.substr(0, at);
    text = at == text.npos ? std::string_view() : text.substr(at + separator.size());
    return first;
}

std::string_view without_blanks(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + ('a' - 'A')) : letter;
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char letter) { return lower(letter); });
    return result;
}

/// A token (RFC 9110, 5.6.2): a method, or a header's name.
bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char letter) {
        return (lower(letter) >= 'a' && lower(letter) <= 'z') || (letter >= '0' && letter <= '9') ||
               std::string_view("!#$%&'*+-.^_`|~").contains(letter);
    });
}

/// No control characters, of which a tab alone may stand in a header.
bool is_text(std::string_view text) {
    return std::ranges::all_of(text, [](char letter) {
        const auto byte = static_cast<unsigned char>(letter);
        return letter == '\t' || (byte >= ' ' && byte != 0x7f);
    });
}

std::string decoded(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned char byte = 0;
        const char* digits = text.data() + i + 1;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
            result += static_cast<char>(byte);
            i += 2;
        } else {
            result += text[i] == '+' ? ' ' : text[i];
        }
    }
    return result;
}

std::unexpected<Refusal> refuse(int status, std::string what, std::string hint = {}) {
    return std::unexpected(Refusal{status, {std::move(what), "", std::move(hint)}});
}

std::unexpected<Refusal> not_understood() { return refuse(400, "the request is not understood"); }

/// Header lines up to the end of `text`. False: one that is none.
bool parse_headers(std::string_view text, std::map<std::string, std::string>& headers) {
    while (!text.empty()) {
        const std::string_view line = cut(text, kEndOfLine);
        const auto colon = line.find(':');
        if (colon == line.npos) return false;
        const std::string_view value = without_blanks(line.substr(colon + 1));
        if (!is_token(line.substr(0, colon)) || !is_text(value)) return false;
        const auto [other, fresh] = headers.try_emplace(lower(line.substr(0, colon)), value);
        // Two lengths are how one request hides another (RFC 9112, 6.3).
        if (!fresh && other->first == "content-length") return false;
    }
    return true;
}

std::optional<std::size_t> number(std::string_view digits) {
    std::size_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, code] = std::from_chars(digits.data(), end, value);
    if (digits.empty() || stop != end || code != std::errc()) return std::nullopt;
    return value;
}

std::string_view reason_of(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 400:
            return "Bad Request";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 411:
            return "Length Required";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 422:
            return "Unprocessable Content";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 503:
            return "Service Unavailable";
        default:
            return "Other";  // the number says it; a client reads no more (RFC 9112, 4)
    }
}

}  // namespace

std::string_view RequestHead::header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::expected<RequestHead, Refusal> parse_head(std::string_view text) {
    RequestHead head;
    std::string_view line = cut(text, kEndOfLine);
    head.method = cut(line, " ");
    std::string_view target = cut(line, " ");
    if (target.size() > kMaxTarget) return refuse(414, "the path is too long");
    if (!is_token(head.method) || !target.starts_with('/') || !is_text(target) ||
        (line != "HTTP/1.1" && line != "HTTP/1.0"))
        return not_understood();
    head.path = cut(target, "?");
    while (!target.empty()) {
        std::string_view value = cut(target, "&");
        const std::string_view name = cut(value, "=");
        if (!name.empty()) head.query.try_emplace(decoded(name), decoded(value));
    }
    if (text.ends_with("\r\n\r\n"))
        text.remove_suffix(2 * kEndOfLine.size());
    else if (text == kEndOfLine)
        text = {};
    else
        return not_understood();
    if (!parse_headers(text, head.headers)) return not_understood();
    if (head.headers.contains("transfer-encoding"))
        return refuse(411, "the body's length is not said", "send Content-Length");
    if (const auto length = head.headers.find("content-length"); length != head.headers.end()) {
        const auto size = number(length->second);
        if (!size) return not_understood();
        if (*size > kMaxBody)
            return refuse(413, "the body is longer than " + std::to_string(kMaxBody) + " bytes");
        head.body = *size;
    }
    return head;
}

std::string answer_head(int status, std::string_view content_type, std::size_t body) {
    std::string text = "HTTP/1.1 " + std::to_string(status) + ' ';
    text += reason_of(status);
    text += "\r\nConnection: close\r\nContent-Type: ";
    text += content_type;
    return text + "\r\nContent-Length: " + std::to_string(body) + "\r\n\r\n";
}

std::optional<Answer> parse_answer(std::string_view text) {
    std::string_view head = text.substr(0, text.find("\r\n\r\n"));
    if (head.size() == text.size()) return std::nullopt;
    text.remove_prefix(head.size() + 2 * kEndOfLine.size());
    std::string_view line = cut(head, kEndOfLine);
    const bool http = line.starts_with("HTTP/1.");
    cut(line, " ");
    const auto status = number(cut(line, " "));
    std::map<std::string, std::string> headers;
    if (!http || !status || *status < 100 || *status > 999 || !parse_headers(head, headers))
        return std::nullopt;
    if (const auto length = headers.find("content-length"); length != headers.end()) {
        const auto size = number(length->second);
        if (!size || *size > text.size()) return std::nullopt;
        text = text.substr(0, *size);
    }
    return Answer{static_cast<int>(*status), headers["content-type"], std::string(text)};
}

}  // namespace keyscribe::control
