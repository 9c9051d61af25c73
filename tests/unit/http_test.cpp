// SPDX-License-Identifier: Apache-2.0
// What the control socket takes for a request, and the client for an answer.
#include "controller/host/control/http.h"

#include <gtest/gtest.h>

namespace keyscribe::control {
namespace http_test {

using Text = std::map<std::string, std::string>;

int status_of(std::string_view head) {
    const auto parsed = parse_head(head);
    return parsed ? 200 : parsed.error().status;
}

TEST(Http, AHeadIsTakenApart) {
    const auto head = parse_head(
        "POST /v1/echo?a=1&b=x%20y+z&a=2&c=%zz%4&=n HTTP/1.1\r\n"
        "Host: localhost\r\nX-Empty:\r\nEXPECT: \t100-continue \r\nContent-Length: 12\r\n\r\n");
    ASSERT_TRUE(head);
    EXPECT_EQ(head->method, "POST");
    EXPECT_EQ(head->path, "/v1/echo");
    EXPECT_EQ(head->query, Text({{"a", "1"}, {"b", "x y z"}, {"c", "%zz%4"}}));
    EXPECT_EQ(head->headers, Text({{"host", "localhost"},
                                   {"x-empty", ""},
                                   {"expect", "100-continue"},
                                   {"content-length", "12"}}));
    EXPECT_EQ(head->body, 12u);
    EXPECT_EQ(head->header("expect"), "100-continue");
    EXPECT_EQ(head->header("nothing"), "");
    EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 200);
}

TEST(Http, WhatIsNoRequestIsRefused) {
    for (const char* head :
         {"", "\r\n\r\n", "GET\r\n\r\n", "GET / \r\n\r\n", "GET / HTTP/2\r\n\r\n",
          "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n", "G\x01T / HTTP/1.1\r\n\r\n",
          "GET http://localhost/ HTTP/1.1\r\n\r\n", "GET /\x7f HTTP/1.1\r\n\r\n",
          "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\n\n",
          "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\n: no name\r\n\r\n",
          "GET / HTTP/1.1\r\nA : b\r\n\r\n", "GET / HTTP/1.1\r\nA: \x02\r\n\r\n"})
        EXPECT_EQ(status_of(head), 400) << head;
}

TEST(Http, ALengthIsOneNumber) {
    const auto with = [](const std::string& headers) {
        return status_of("POST / HTTP/1.1\r\n" + headers + "\r\n\r\n");
    };
    EXPECT_EQ(with("Content-Length: 65536"), 200);
    EXPECT_EQ(with("Content-Length: 65537"), 413);
    for (const char* wrong : {"", "-1", "+1", "1x", "0x1", "1, 2", "99999999999999999999999"})
        EXPECT_EQ(with(std::string("Content-Length: ") + wrong), 400) << wrong;
    EXPECT_EQ(with("Content-Length: 1\r\nContent-Length: 2"), 400);
    EXPECT_EQ(with("Transfer-Encoding: chunked"), 411);
}

TEST(Http, LongPathsAreRefused) {
    EXPECT_EQ(status_of("GET /" + std::string(kMaxTarget - 1, 'a') + " HTTP/1.1\r\n\r\n"), 200);
    EXPECT_EQ(status_of("GET /" + std::string(kMaxTarget, 'a') + " HTTP/1.1\r\n\r\n"), 414);
}

TEST(Http, AnAnswerIsReadAsItWasWritten) {
    const std::string text = answer_head(422, "application/json", 2) + "{}";
    const auto answer = parse_answer(text);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 422);
    EXPECT_EQ(answer->content_type, "application/json");
    EXPECT_EQ(answer->body, "{}");
    for (std::size_t size = 0; size < text.size(); ++size)
        EXPECT_FALSE(parse_answer(std::string_view(text).substr(0, size))) << size;
    for (const char* wrong : {"HTTP/1.1 x\r\n\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 99 \r\n\r\n"})
        EXPECT_FALSE(parse_answer(wrong)) << wrong;
}

}  // namespace http_test
}  // namespace keyscribe::control
