// SPDX-License-Identifier: Apache-2.0
// What keyscribe doctor found: lines for people, or JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"

namespace keyscribe::cli {

class DoctorReport {
  public:
    void good(std::string_view what, std::string text) { add("ok", what, std::move(text), ""); }
    void note(std::string_view what, std::string text, std::string remedy = {}) {
        add("note", what, std::move(text), std::move(remedy));
    }
    /// Keyscribe cannot do its work.
    void bad(std::string_view what, const Error& error);

    /// Prints all of it. Returns the exit status: 1 where something was bad.
    int print(bool as_json) const;

  private:
    struct Line {
        std::string level, what, text, remedy;
    };
    void add(std::string_view level, std::string_view what, std::string text, std::string remedy) {
        lines_.push_back(
            {std::string(level), std::string(what), std::move(text), std::move(remedy)});
    }
    std::vector<Line> lines_;
};

}  // namespace keyscribe::cli
