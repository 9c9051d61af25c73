// SPDX-License-Identifier: Apache-2.0
// Writes IMA's measurement list, in its binary and its text form.
#pragma once

#include <array>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "controller/base/digest.h"
#include "controller/base/error.h"
#include "controller/base/unique_fd.h"
#include "controller/base/wiped_bytes.h"

namespace keyscribe::measure {

/// An entry to be.
struct NewEntry {
    std::uint32_t pcr = 0;
    std::string template_name;
    WipedBytes template_data;
    bool extended = false;  ///< already, by the kernel: only the list lacks it
};

/// One entry as list_reader.h describes it, with the SHA-1 template digest over `template_data`.
WipedBytes encode_entry(std::uint32_t pcr, std::string_view template_name, Bytes template_data);

/// The bytes that encode_entry() gives for all of them.
std::uint64_t encoded_size(std::span<const NewEntry> entries);

/// "PCR SHA1 TEMPLATE sha256:DIGEST NAME HEX" and a newline, as the kernel's
/// ascii_runtime_measurements has it; of templates other than ima-ng, ima-sig and ima-buf the
/// first three fields. Blanks, control characters, backslashes and bytes beyond ASCII in NAME are
/// written as \ooo (octal, as in /proc/mounts): no name can forge a line.
std::string text_line(std::uint32_t pcr, Bytes template_digest, std::string_view template_name,
                      Bytes template_data);

std::string escape_name(std::string_view name);

/// Returns so many percent of the file system that the folder is on; UINT64_MAX: nobody knows.
std::uint64_t share_of_file_system(const std::filesystem::path& directory, unsigned percent);

/// The two files that hold the list. What is appended at one go is in it as a whole or not at all,
/// save after a death in the middle of it.
class ListFiles {
  public:
    static constexpr const char* kBinary = "binary_runtime_measurements";
    static constexpr const char* kText = "ascii_runtime_measurements";
    /// While this one exists there is no text form; `keyscribe list --format ima` shows it.
    static constexpr const char* kNoText = "ascii_runtime_measurements.off";
    /// Made after each append where its folder is there: whoever waits for entries makes that, and
    /// takes the file away before it reads the list (keyscribe-attest.path).
    static constexpr const char* kGrown = "grown/list";

    /// Opens or creates both in `directory`, mode 0640.
    static Result<ListFiles> open(const std::filesystem::path& directory);

    /// Says whether the list in `directory` is to have a text form, from the next open() on: not
    /// where both would take more than `limit` bytes. A list that has none gets none any more.
    /// Error: the folder cannot be written to.
    static Result<void> choose_text(const std::filesystem::path& directory, bool wanted,
                                    std::uint64_t limit);
    /// Bytes that both files may take. Where they have them, the text form is given up.
    void set_limit(std::uint64_t bytes) { limit_ = bytes; }

    /// Error: nothing was appended (no room, or the limit), or the list was truncated or removed by
    /// somebody.
    Result<void> append(std::span<const NewEntry> entries);

    /// The binary list as it stands, to be replayed.
    Result<WipedBytes> read() const;

    /// Puts the files back where somebody removed them, or their folder: their content is still
    /// open here. Returns the binary list that is at its place now. Error: it could not be put
    /// there; what was removed is only here still.
    Result<UniqueFd> rescue();
    /// Its binary list is that file: nobody put another at its place.
    bool holds(const UniqueFd& binary) const;
    /// Nobody else wrote to them.
    bool is_untouched() const;

    std::uint64_t size() const { return size_; }

  private:
    std::array<timespec, 2> change_times() const;
    Result<void> make_room_for(std::uint64_t binary, std::uint64_t text);
    Result<void> write_at_end(Bytes binary, Bytes text);
    void tell_who_waits() const;

    std::filesystem::path directory_;
    UniqueFd binary_;
    UniqueFd text_;  // not open: there is no text form
    std::uint64_t limit_ = UINT64_MAX;
    std::uint64_t size_ = 0;             // what the binary list must have
    std::uint64_t text_size_ = 0;        // and the text one
    std::array<timespec, 2> changed_{};  // when we wrote
};

}  // namespace keyscribe::measure
