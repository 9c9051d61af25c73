// SPDX-License-Identifier: Apache-2.0
// An extract of a list: its records but for those without which any appraisal, by whichever
// references and policy, ends the same. It is what a service keeps of a host in memory or a row, so
// that a list of 100,000 entries is judged again by the few that matter. Left out are, and nothing
// else:
// - a canary, but for that of the nonce that is given;
// - a payload without a record, where its keyring holds it already: it changes nothing;
// - the whole life of a key, from the record that put it into its one keyring to its end, where an
//   equal one is kept: key_lives.h says what "equal" and "whole" ask for.
// So where findings differ at all, a sentence that the whole list gives several times, of several
// entries, is there once. Every kept record has its entry's number.
#pragma once

#include <optional>
#include <vector>

#include "controller/list/unfold.h"

namespace keyscribe::appraise {

/// A piece of an extract, views into it.
struct ExtractItem {
    /// `name` and `buf` are its record's; of a whole entry its template's name and data.
    list::LogicalRecord record;
    bool whole_entry = false;
};

class ExtractReader {
  public:
    explicit ExtractReader(Bytes extract) : extract_(extract) {}

    /// Nothing at the end, or where the rest is malformed.
    std::optional<ExtractItem> next();
    bool at_end() const { return offset_ == extract_.size(); }

  private:
    Bytes extract_;
    std::size_t offset_ = 0;
};

/// A former extract, or nothing, and the list behind it, of which every entry was judged.
struct Extracted {
    Bytes former, list;
    std::uint64_t first_entry = 0;  ///< in `list`
    unsigned pcr = 0;               ///< the list's own
    Bytes nonce;
};

/// Nothing: only the whole list will do, since it has records of which this is not shown (a foreign
/// extend, a kexec, what is malformed, entries of other PCRs), or very many different ones.
std::optional<std::vector<std::uint8_t>> make_extract(const Extracted& from);

}  // namespace keyscribe::appraise
