// SPDX-License-Identifier: Apache-2.0
// Where the keys of this host come from, by its own firmware log. Nothing is verified here: the
// host says it of itself, and keyscribe appraise verifies it against a quote.
#pragma once

#include <memory>
#include <string>

#include "controller/keyrings/keyring_model.h"

namespace keyscribe::cli {

class KeySources {
  public:
    /// Without a log that can be read (it is root's) or a usable one the list alone is told of.
    /// The paths are Linux's, but for tests.
    static KeySources of_this_host(
        const std::string& log = "/sys/kernel/security/tpm0/binary_bios_measurements",
        const std::string& mok_directory = "/sys/firmware/efi/mok-variables");
    /// By the list alone.
    KeySources();
    ~KeySources();
    KeySources(KeySources&&) noexcept;

    /// One line. `payload`: the key's, as far as the list has it; or empty.
    std::string line(const keyrings::KeyringModel& model, keyrings::LinkId link,
                     Bytes payload) const;

  private:
    struct Firmware;
    std::unique_ptr<Firmware> firmware_;
};

}  // namespace keyscribe::cli
