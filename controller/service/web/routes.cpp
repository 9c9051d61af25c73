// SPDX-License-Identifier: Apache-2.0
#include "controller/service/web/routes.h"

#include <algorithm>
#include <charconv>
#include <memory>

#include "controller/service/report/style.h"
#include "controller/service/web/pages.h"
#include "controller/service/web/words.h"

namespace keyscribe::web {

using verifier::Response;
using verifier::Role;
using verifier::Route;

namespace {

constexpr std::size_t kLongestForm = 16 << 10;
constexpr std::size_t kLongestPath = 1000;

/// A path of this service as a browser reads it, so that the form leads nowhere else.
bool is_path(std::string_view text) {
    constexpr std::string_view kMarks = "/-._~%?&=+:";
    return text.size() <= kLongestPath && text.starts_with('/') && !text.starts_with("//") &&
           std::ranges::all_of(text, [&](char letter) {
               const auto byte = static_cast<unsigned char>(letter);
               return byte < 0x80 && (std::isalnum(byte) != 0 || kMarks.contains(letter));
           });
}

/// The fields of application/x-www-form-urlencoded, as `query`. Nothing where it is none.
std::optional<Request> form_of(const Request& request) {
    Request form;
    if (request.body.size() > kLongestForm ||
        request.media_type() != "application/x-www-form-urlencoded" ||
        !verifier::parse_target("/?" + request.body, form))
        return std::nullopt;
    return form;
}

std::string path_of(const Request& request) {
    std::string path = request.path;
    for (const auto& [name, value] : request.query)
        path += (path == request.path ? '?' : '&') + url_part(name) + '=' + url_part(value);
    return is_path(path) ? path : "/";
}

std::string cookie_of(const std::string& value, std::int64_t life) {
    return std::string(kCookie) + '=' + value + "; Path=/; Max-Age=" + std::to_string(life) +
           "; Secure; HttpOnly; SameSite=Strict";
}

class Pages {
  public:
    Pages(Service& service, Sessions sessions)
        : service_(service), sessions_(std::move(sessions)) {}

    Response fleet(const Request& request) {
        return shown(request, [&](const Visitor&) { return fleet_page(service_); });
    }
    Response hosts(const Request& request) {
        return shown(request, [&](const Visitor&) { return hosts_page(service_, request); });
    }
    Response host(const Request& request) {
        return shown(request, [&](const Visitor&) { return host_page(service_, request); });
    }
    Response keys(const Request& request) {
        return shown(request, [&](const Visitor&) { return keys_page(service_, request); });
    }
    Response key(const Request& request) {
        return shown(request, [&](const Visitor&) { return key_page(service_, request); });
    }
    Response enrolments(const Request& request) {
        return shown(request,
                     [&](const Visitor& visitor) { return enrolments_page(service_, visitor); });
    }
    Response references(const Request& request) {
        return shown(request, [&](const Visitor&) { return references_page(service_, request); });
    }

    Response report(const Request& request) {
        const auto visitor = sessions_.visitor(request, verifier::now());
        if (!visitor) return respond(error_page(visitor.error()), {});
        if (visitor->role == Role::kNobody) return respond(login_page(path_of(request), false), {});
        auto document = report_of(service_, request.parts[0]);
        if (!document) return respond(error_page(document.error()), *visitor);
        if (!*document)
            return respond(error_page(404, "There is no report",
                                      "There is no such host, or no evidence of it yet."),
                           *visitor);
        return respond_whole(std::move(**document), report::style_sheet().text());
    }

    Response login_form(const Request& request) {
        const std::string& next = request.parameter("next");
        return respond(login_page(is_path(next) ? next : "/", false), {});
    }
    Response login(const Request& request) {
        const auto form = form_of(request);
        if (!form || !request.is_of_this_site()) return foreign({});
        const std::string next = is_path(form->parameter("next")) ? form->parameter("next") : "/";
        const auto value = sessions_.begin(form->parameter("token"), verifier::now());
        if (!value) return respond(error_page(value.error()), {});
        if (!*value) return respond(login_page(next, true), {});
        Response response = redirect(next);
        response.fields.emplace_back("Set-Cookie", cookie_of(**value, kSessionLife));
        return response;
    }
    Response logout(const Request& request) {
        return changed(request, Role::kReader, [&](const Visitor&, const Request&) {
            Response response = redirect("/login");
            response.fields.emplace_back("Set-Cookie", cookie_of("", 0));
            return response;
        });
    }
    Response decide(const Request& request) {
        return changed(request, Role::kOperator, [&](const Visitor& visitor, const Request& form) {
            const std::string& accept = form.parameter("accept");
            if (accept != "yes" && accept != "no")
                return respond(error_page(400, "Neither yes nor no", accept), visitor);
            const auto done = service_.enrolments->decide(request.parts[0], accept == "yes",
                                                          visitor.who, form.parameter("reason"));
            if (done) return redirect("/enrolments");
            const verifier::Problem& problem = done.error();
            return respond(error_page(problem.status, problem.title, problem.detail), visitor);
        });
    }

  private:
    static Response foreign(const Visitor& visitor) {
        return respond(error_page(403, "This form is not from here",
                                  "It came from another site, or your session has ended. Go back, "
                                  "load the page again, and repeat it."),
                       visitor);
    }

    /// The page for whoever may read; the form to log in for anybody else.
    template <class Make>
    Response shown(const Request& request, const Make& make) {
        const auto visitor = sessions_.visitor(request, verifier::now());
        if (!visitor) return respond(error_page(visitor.error()), {});
        if (visitor->role == Role::kNobody) return respond(login_page(path_of(request), false), {});
        const Result<Page> page = make(*visitor);
        return respond(page ? *page : error_page(page.error()), *visitor);
    }

    /// What a form does: from a page of this service, in the session that it was made for, by
    /// somebody who may.
    template <class Change>
    Response changed(const Request& request, Role role, const Change& change) {
        const auto visitor = sessions_.visitor(request, verifier::now());
        if (!visitor) return respond(error_page(visitor.error()), {});
        const auto form = form_of(request);
        if (visitor->role == Role::kNobody || !form || !request.is_of_this_site() ||
            !is_equal(form->parameter("form"), visitor->form_token))
            return foreign(*visitor);
        if (visitor->role < role)
            return respond(error_page(403, "Readers cannot do this",
                                      "An operator’s token, or a client certificate, can."),
                           *visitor);
        return change(*visitor, *form);
    }

    Service& service_;
    Sessions sessions_;
};

}  // namespace

std::int64_t number_of(const Request& request, const std::string& name, std::int64_t otherwise) {
    const std::string& text = request.parameter(name);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return !text.empty() && whole && value >= 0 ? value : otherwise;
}

Result<std::vector<Route>> routes(Service& service) {
    auto sessions = Sessions::open(*service.database);
    if (!sessions) return std::unexpected(sessions.error());
    const auto pages = std::make_shared<Pages>(service, std::move(*sessions));
    const auto to = [pages](Response (Pages::*handler)(const Request&)) {
        return [pages, handler](const Request& request) { return ((*pages).*handler)(request); };
    };
    using P = Pages;
    // Who may is decided above: a browser is shown a form, not a problem in JSON.
    return std::vector<Route>{{"GET", "/", Role::kNobody, to(&P::fleet)},
                              {"GET", "/hosts", Role::kNobody, to(&P::hosts)},
                              {"GET", "/hosts/{host}", Role::kNobody, to(&P::host)},
                              {"GET", "/hosts/{host}/report", Role::kNobody, to(&P::report)},
                              {"GET", "/keys", Role::kNobody, to(&P::keys)},
                              {"GET", "/keys/{key}", Role::kNobody, to(&P::key)},
                              {"GET", "/enrolments", Role::kNobody, to(&P::enrolments)},
                              {"POST", "/enrolments/{enrolment}", Role::kNobody, to(&P::decide)},
                              {"GET", "/references", Role::kNobody, to(&P::references)},
                              {"GET", "/login", Role::kNobody, to(&P::login_form)},
                              {"POST", "/login", Role::kNobody, to(&P::login)},
                              {"POST", "/logout", Role::kNobody, to(&P::logout)}};
}

}  // namespace keyscribe::web
