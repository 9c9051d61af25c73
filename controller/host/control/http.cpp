// SPDX-License-Identifier: Apache-2.0
#include "controller/host/control/http.h"

#include <algorithm>
#include <boost/beast/http.hpp>
#include <charconv>
#include <sstream>

namespace keyscribe::control {
namespace {

namespace http = boost::beast::http;
namespace asio = boost::asio;

/// Cuts off what stands before `separator`; the whole text where there is none.
std::string_view cut(std::string_view& text, char separator) {
    const auto at = text.find(separator);
    const std::string_view first = text.substr(0, at);
    text = at == text.npos ? std::string_view() : text.substr(at + 1);
    return first;
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

std::string text_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

std::string_view RequestHead::header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::expected<RequestHead, Refusal> parse_head(std::string_view text) {
    http::request_parser<http::empty_body> parser;
    parser.header_limit(kMaxHead);
    parser.body_limit(kMaxBody);
    boost::system::error_code error;
    const std::size_t taken = parser.put(asio::buffer(text.data(), text.size()), error);
    if (error == http::error::body_limit)
        return refuse(413, "the body is longer than " + std::to_string(kMaxBody) + " bytes");
    if (error || !parser.is_header_done() || taken != text.size())
        return refuse(400, "the request is not understood");
    const auto& request = parser.get();
    std::string_view target(request.target().data(), request.target().size());
    if (target.size() > kMaxTarget) return refuse(414, "the path is too long");
    if (!target.starts_with('/')) return refuse(400, "the request is not understood");
    // empty_body refuses a body that is there already, but not the word that one comes in chunks.
    if (parser.chunked())
        return refuse(411, "the body's length is not said", "send Content-Length");

    RequestHead head;
    head.method = text_of(request.method_string());
    head.path = cut(target, '?');
    while (!target.empty()) {
        std::string_view value = cut(target, '&');
        const std::string_view name = cut(value, '=');
        if (!name.empty()) head.query.try_emplace(decoded(name), decoded(value));
    }
    for (const auto& field : request) {
        std::string name = text_of(field.name_string());
        std::ranges::transform(name, name.begin(), [](char letter) {
            return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
        });
        head.headers.try_emplace(std::move(name), text_of(field.value()));
    }
    head.body = parser.content_length().value_or(0);
    return head;
}

std::string answer_head(int status, std::string_view content_type, std::size_t body) {
    http::response<http::empty_body> answer(static_cast<http::status>(status), 11);
    answer.set(http::field::connection, "close");
    answer.set(http::field::content_type, {content_type.data(), content_type.size()});
    answer.content_length(body);
    std::ostringstream text;
    text << answer.base();
    return std::move(text).str();
}

std::optional<Answer> parse_answer(std::string_view text) {
    http::response_parser<http::string_body> parser;
    parser.eager(true);
    parser.body_limit(kMaxAnswer);
    boost::system::error_code error;
    parser.put(asio::buffer(text.data(), text.size()), error);
    if (!error && !parser.is_done()) parser.put_eof(error);
    if (error || !parser.is_done()) return std::nullopt;
    auto answer = parser.release();
    return Answer{static_cast<int>(answer.result_int()), text_of(answer[http::field::content_type]),
                  std::move(answer.body())};
}

}  // namespace keyscribe::control
