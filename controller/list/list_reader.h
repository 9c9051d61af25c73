// SPDX-License-Identifier: Apache-2.0
// Reads IMA's binary_runtime_measurements. Source: the kernel's security/integrity/ima/ima_fs.c
// (ima_measurements_show).
//
// An entry: u32 PCR; the template digest (SHA-1, or the bank's in the per-bank lists that kernels
// have since 6.10); u32 length of the template's name; the name, without NUL; u32 length of the
// template data; the data. All little-endian on the machines that are supported.
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/digest.h"
#include "controller/base/error.h"

namespace keyscribe::list {

/// Views into the list's bytes.
struct Entry {
    std::uint32_t pcr = 0;
    Bytes stored_digest;  ///< as it stands in the list; nothing vouches for it
    std::string_view template_name;
    Bytes template_data;
    std::size_t offset = 0;  ///< of the entry in the list
    std::size_t size = 0;    ///< of the whole entry

    /// A digest of zeros: the file changed while it was measured. Extended as 0xff.
    bool is_violation() const;
};

/// What a list can hold at most, so that no length of a forged list allocates or loops.
inline constexpr std::size_t kMaxTemplateName = 256;
inline constexpr std::size_t kMaxTemplateData = 16u << 20;

/// Reads a list entry by entry.
class ListReader {
  public:
    /// `digests`: the algorithm of the template digests in this list.
    explicit ListReader(Bytes list, Algorithm digests = Algorithm::kSha1)
        : list_(list), digest_size_(size_of(digests)) {}

    /// The next entry; nothing at the end.
    /// Error: an entry that is cut short or says it is larger than what is left; offset() is then
    /// where it begins, and everything before it is whole.
    Result<std::optional<Entry>> next();

    std::size_t offset() const { return offset_; }

  private:
    Bytes list_;
    std::size_t digest_size_;
    std::size_t offset_ = 0;
};

/// All entries of a list that must be whole.
Result<std::vector<Entry>> read_list(Bytes list, Algorithm digests = Algorithm::kSha1);

/// What the entry extends into a bank: that bank's digest of the template data, recomputed; 0xff
/// for a violation. The stored digest is not looked at, save for being all zero.
Digest extend_value(const Entry& entry, Algorithm bank);

/// A PCR's new value: H(old || value).
Digest extended(Algorithm bank, const Digest& old, const Digest& value);

/// Replays entries into the PCRs that they name, from zeros.
class Replay {
  public:
    explicit Replay(std::vector<Algorithm> banks) : banks_(std::move(banks)) {}
    void add(const Entry& entry);
    /// The PCR's value; zeros where no entry named it.
    Digest value(std::uint32_t pcr, Algorithm bank) const;
    const std::vector<Algorithm>& banks() const { return banks_; }

  private:
    std::vector<Algorithm> banks_;
    std::map<std::pair<std::uint32_t, Algorithm>, Digest> values_;
};

}  // namespace keyscribe::list
