// SPDX-License-Identifier: Apache-2.0
// Which kernel image has which certificates built in: kernel-images.json among the reference
// values. README.md has its form.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "controller/base/error.h"
#include "controller/base/seeded_hash.h"

namespace keyscribe::appraise {

struct KernelImage {
    std::string name;                    ///< for people
    std::optional<Sha256> file;          ///< of the vmlinuz, or of a UKI's section .linux
    std::optional<Sha256> authenticode;  ///< of the PE file
    std::unordered_set<Sha256, base::SeededHash>
        keys;  ///< SHA-256 of each subjectPublicKey's bytes
};

/// Immutable once read.
class KernelImages {
  public:
    /// Error: anything but the form that README.md has; `where` has the file and the member.
    static Result<KernelImages> parse(Bytes json, const std::string& file);

    std::size_t size() const { return images_.size(); }
    /// nullptr: no such image.
    const KernelImage* by_file(const Sha256& digest) const;
    const KernelImage* by_authenticode(const Sha256& digest) const;

  private:
    using Index = std::unordered_map<Sha256, std::size_t, base::SeededHash>;
    const KernelImage* find(const Index& index, const Sha256& digest) const;
    Result<void> add(KernelImage image);

    std::vector<KernelImage> images_;
    Index files_, authenticodes_;  // into images_
};

}  // namespace keyscribe::appraise
