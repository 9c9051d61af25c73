// SPDX-License-Identifier: Apache-2.0
// Kernels with certificates in them, as the kernel's build makes them, of some kilobytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/base/digest.h"

namespace keyscribe::testing {

/// An unpacked image: parts end to end.
class KernelMaker {
  public:
    using Buffer = std::vector<std::uint8_t>;
    static constexpr std::size_t kListAt = 512;  ///< where the first list begins
    static constexpr std::size_t kPeAt = 64;     ///< of "PE\0\0" in a UKI

    /// `align`: what `.align 8` means: 8 on x86, 256 on arm64.
    explicit KernelMaker(std::size_t align = 8);

    /// Of the next list: no module signing key is in it.
    KernelMaker& without_module_key();
    /// Of the next list: bytes that CONFIG_SYSTEM_EXTRA_CERTIFICATE leaves behind it.
    KernelMaker& room(std::size_t bytes);
    KernelMaker& trusted(const std::vector<Buffer>& certificates);
    KernelMaker& revoked(const std::vector<Buffer>& certificates);
    /// A certificate as net/wireless has those of the regulatory database.
    KernelMaker& loose(const Buffer& certificate);
    KernelMaker& text(const std::string& text);

    Buffer image() const;  ///< begins as ELF does
    Buffer arm64_image() const;

    static Buffer compressed(const Buffer& content, const std::string& compression);
    static Buffer bzimage(const Buffer& image, const std::string& compression);
    static Buffer zboot(const Buffer& image, const std::string& compression);
    static Buffer uki(const Buffer& kernel);
    static std::string rpm(const std::string& payload);

  private:
    void align();
    void number(std::uint64_t value);
    void list(const std::vector<Buffer>& certificates);

    std::size_t align_;
    bool module_key_ = true;
    std::size_t room_ = 0;
    Buffer bytes_;
};

}  // namespace keyscribe::testing
