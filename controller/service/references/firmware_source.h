// SPDX-License-Identifier: Apache-2.0
// The firmware's and shim's variables as sources, by the rules with which the kernel takes them
// (security/integrity/platform_certs/load_uefi.c, keyring_handler.c, machine_keyring.c).
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "controller/base/error.h"
#include "controller/service/references/findings.h"

namespace keyscribe::references {

/// The variables of which the kernel takes keys.
enum class Variable {
    kDb,    ///< to .platform
    kDbx,   ///< to .blacklist
    kMok,   ///< MokListRT: to .machine, or to .platform where shim does not say that they are
            ///< trusted
    kMokX,  ///< MokListXRT: to .blacklist
};

/// "db", "dbx", "mok", "mokx": as a source names them.
std::optional<Variable> variable_named(std::string_view name);

/// Takes a file's certificates and digests, for this variable: EFI signature lists (.esl, .auth, a
/// file of efivarfs), or certificates (as `mokutil --export` writes them).
/// Error: malformed; or what such a variable cannot have.
Result<void> take_variable(Bytes content, Variable variable, const std::string& where,
                           Findings& to);

/// The same of a variable's content as the firmware's log has it: lists alone, or nothing.
Result<void> take_variable_lists(Bytes lists, Variable variable, const std::string& where,
                                 Findings& to);

/// The variable of a file of efivarfs by its name ("db-d719b2cb-..."); nothing: another variable.
std::optional<Variable> efivarfs_variable(const std::filesystem::path& file);

/// Whether the folder is an efivarfs, or a copy of one.
bool is_efivarfs(const std::filesystem::path& folder);

/// The variables of such a folder. Error: one that cannot be read or is malformed; or none of them.
Result<void> take_efivarfs(const std::filesystem::path& folder, Findings& to);

}  // namespace keyscribe::references
