// SPDX-License-Identifier: Apache-2.0
// Which programs are silent, by whether they answered at the last looks.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace keyscribe::capture {

/// What one look found of a program that was asked.
struct Answer {
    bool given = false;
    unsigned patience = 1;  ///< so many looks in a row without an answer are silence
};

class SilenceWatch {
  public:
    struct Change {
        std::vector<std::string> silent;  ///< from now on
        std::vector<std::string> again;   ///< those that were, and answer
        bool all = false;                 ///< none of those that were asked answers
    };

    /// By program; of those that were not asked nothing is known.
    Change look(const std::map<std::string, Answer>& answers) {
        Change change{.silent = {}, .again = {}, .all = !answers.empty()};
        for (const auto& [program, answer] : answers) {
            if (answer.given) {
                change.all = false;
                unanswered_.erase(program);
                if (silent_.erase(program) != 0) change.again.push_back(program);
            } else if (++unanswered_[program] >= answer.patience &&
                       silent_.insert(program).second) {
                change.silent.push_back(program);
            }
        }
        return change;
    }
    /// Some did not answer at the last look.
    bool has_doubts() const { return unanswered_.size() > silent_.size(); }
    bool is_any_silent() const { return !silent_.empty(); }

  private:
    std::map<std::string, unsigned> unanswered_;  // looks in a row
    std::set<std::string> silent_;                // told
};

}  // namespace keyscribe::capture
