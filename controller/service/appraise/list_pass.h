// SPDX-License-Identifier: Apache-2.0
// One pass over a measurement list, Keyscribe's or the kernel's: takes each entry apart, computes
// every digest anew from the content, and replays the list until it gives the quoted PCR. Where a
// list is long, the digests are computed by several threads and the entries still come in order.
// Nothing is copied out of the list.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "controller/base/error.h"
#include "controller/list/list_reader.h"
#include "controller/list/template_format.h"

namespace keyscribe::appraise {

using list::TemplateFields;

/// Whether an entry's digest is that of the buffer that it carries.
enum class PayloadCheck {
    kNone,  ///< it carries none
    kRight,
    kWrong,
    kNotPossible,  ///< this OpenSSL does not have the algorithm
};

struct HashedEntry {
    list::Entry entry;
    std::uint64_t number = 0;  ///< in the list, from 0
    std::optional<TemplateFields> fields;
    bool violation = false;            ///< nothing vouches for what it says
    bool stored_digest_right = false;  ///< the digest that stands in the list
    PayloadCheck payload = PayloadCheck::kNone;
    std::array<Digest, 4> values;  ///< what it extends, in the order of the pass's banks
};

using PcrBanks = std::vector<std::pair<Algorithm, Digest>>;

struct ListPass {
    Bytes list;
    std::uint64_t first_entry = 0;        ///< number of the first entry in `list`
    Algorithm stored = Algorithm::kSha1;  ///< of the digests in the list
    unsigned pcr = 0;                     ///< the one that is replayed
    PcrBanks start;                       ///< its value before the first entry, in each bank
    PcrBanks quoted;                      ///< where to stop, in these or some of these banks
    bool padded_sha1 = false;             ///< banks are extended with SHA-1 and zeros behind it
    unsigned threads = 1;
};

struct PassResult {
    bool reached = false;            ///< the quoted values
    std::uint64_t entries = 0;       ///< up to there (or in all), counted from the list's first
    std::size_t bytes = 0;           ///< of them, in `list`
    std::uint64_t beyond = 0;        ///< whole entries that the quote does not cover
    PcrBanks values;                 ///< of the PCR at the end
    std::optional<Error> malformed;  ///< the list ends in the middle of an entry, or worse
    std::uint64_t malformed_entry = 0;
};

/// What `visit` may change before its entry is replayed: a foreign extend's values.
using Visit = std::function<void(const HashedEntry& entry, PcrBanks& values)>;

/// Calls `visit` for each entry, in order, until the quoted values are reached. Only then is what
/// it was given covered by the quote.
PassResult run(const ListPass& pass, const Visit& visit);

/// One entry's digests, by themselves.
HashedEntry hashed_alone(const ListPass& pass, const list::Entry& entry, std::uint64_t number);

}  // namespace keyscribe::appraise
