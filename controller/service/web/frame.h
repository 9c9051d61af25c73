// SPDX-License-Identifier: Apache-2.0
// What all pages have in common: head, menu, foot, and the fields that bind a browser.
#pragma once

#include <string>

#include "controller/service/report/html.h"
#include "controller/service/verifier/http.h"
#include "controller/service/web/visitor.h"

namespace keyscribe::web {

using report::Html;

/// Where the menu is at.
enum class Place { kNone, kFleet, kHosts, kKeys, kEnrolments, kReferences };

struct Page {
    std::string title;
    Place place = Place::kNone;
    Html main;
    unsigned status = 200;
};

verifier::Response respond(const Page& page, const Visitor& visitor);
/// A document that is whole, with one style sheet in it.
verifier::Response respond_whole(std::string document, std::string_view style);
/// After a form: 303, so that a reload sends nothing again.
verifier::Response redirect(const std::string& to);

/// "Not found", and so on.
Page error_page(unsigned status, std::string title, std::string_view detail);
Page error_page(const Error& error);

}  // namespace keyscribe::web
