// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/suggested_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <sstream>

#include "controller/base/printable.h"

namespace keyscribe::cli {
namespace {

struct Known {
    std::string_view name, why;
    std::string_view types = "";  ///< other than asymmetric alone
    bool always = true;           ///< measured although it is not there
};

/// Linux 6.1 to 7.3: certs/system_keyring.c, security/integrity/digsig.c, fs/verity/signature.c,
/// drivers/md/dm-verity-verify-sig.c, net/wireless/reg.c.
constexpr std::array kTrusted{
    Known{".builtin_trusted_keys",
          "built into the kernel: modules, kernels for kexec and other keys are accepted by these"},
    Known{".secondary_trusted_keys", "added by root later, each signed by a key that was trusted"},
    Known{".machine", "the owner's, from shim's list (MOK)"},
    Known{".platform", "the firmware's db: kernels for kexec are accepted by these"},
    Known{".ima", "signatures of files (IMA appraisal) are accepted by these"},
    Known{"._ima", "as .ima, of older kernels"},
    Known{"_ima", "as .ima, where the kernel has no trusted one: any process of root can fill it",
          "", false},
    Known{".evm", "signatures of files' attributes (EVM) are accepted by these"},
    Known{"._evm", "as .evm, of older kernels"},
    Known{"_evm", "as .evm, where the kernel has no trusted one: any process of root can fill it",
          "", false},
    Known{".fs-verity", "signatures of files with fs-verity are accepted by these"},
    Known{".dm-verity", "signatures of volumes with dm-verity are accepted by these"},
    Known{".builtin_regdb_keys", "the wireless regulatory database is accepted by these"},
    Known{".blacklist",
          "what is revoked: certificates, and hashes, which are keys of a type of their own",
          "asymmetric|blacklist"},
};

/// Caches of the kernel's: what stands in them was fetched, and nothing is verified by it.
constexpr std::array<std::string_view, 10> kCaches{
    ".dns_resolver", ".id_resolver", ".cifs_idmap", ".cifs_spnego",         ".nfs",
    ".nfsd",         ".nvme",        ".user_reg",   ".persistent_register", ".sed_opal"};

/// As a policy can name it without escapes. Other names in /proc/keys may hold anything, line ends
/// too.
bool is_plain(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](unsigned char letter) {
        return std::isalnum(letter) || letter == '.' || letter == '_' || letter == '-';
    });
}

/// Every process has these of its own.
bool is_of_a_process(std::string_view name) {
    return name.starts_with("_ses") || name.starts_with("_tid") || name.starts_with("_pid") ||
           name.starts_with("_uid") || name.starts_with("_persistent");
}

/// Root's keyrings, and how many keys are in each: "0badcafe I------     1 perm 1f0b0000     0 0
/// keyring   .ima: 2", or "empty" for the number.
std::map<std::string, unsigned long> keyrings_of_root(std::string_view keys) {
    std::map<std::string, unsigned long> found;
    std::istringstream lines{std::string(keys)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string serial, flags, usage, timeout, perm, uid, gid, type, name, count;
        words >> serial >> flags >> usage >> timeout >> perm >> uid >> gid >> type >> name >> count;
        if (type != "keyring" || uid != "0" || !name.ends_with(':')) continue;
        name.pop_back();
        if (is_plain(name)) found[name] += std::strtoul(count.c_str(), nullptr, 10);
    }
    return found;
}

std::string rule(std::string_view keyring, std::string_view types) {
    return fmt::format("measure func=KEY_CHECK keyrings={}{} op=all\n", keyring,
                       types.empty() ? "" : fmt::format(" key_type={}", types));
}

}  // namespace

std::string suggested_policy(std::string_view keys, std::string_view kernel) {
    std::map<std::string, unsigned long> there = keyrings_of_root(keys);
    std::string text = fmt::format(
        "# The keyrings of this host (Linux {}), as `keyscribe policy suggest` found them. Read "
        "it, then put\n"
        "# it into the policy directory and call `keyscribe reload`. op=all: removals and "
        "revocations as\n"
        "# well, so that the list says at every moment what a keyring holds.\n",
        base::printable(kernel, 100));
    for (const Known& known : kTrusted) {
        const auto found = there.find(std::string(known.name));
        if (found == there.end() && !known.always) continue;
        text += fmt::format("\n# {}: {}.\n", known.name, known.why);
        text +=
            found == there.end()
                ? "# It is not there now. The rule costs nothing, and another kernel may have it.\n"
                : fmt::format("# It is there, with {} keys.\n", found->second);
        text += rule(known.name, known.types);
        if (found != there.end()) there.erase(found);
    }
    for (const auto& [name, count] : there) {
        if (is_of_a_process(name)) continue;
        if (std::ranges::find(kCaches, name) != kCaches.end())
            text += fmt::format(
                "\n# {}: a cache of the kernel's. Nothing is accepted by it: left out.\n", name);
        else if (name.starts_with('.'))
            text += fmt::format(
                        "\n# {}: made by the kernel, and not known to this version: it may decide "
                        "what is\n"
                        "# trusted. It is there, with {} keys.\n",
                        name, count) +
                    rule(name, "");
        else
            text += fmt::format(
                        "\n# {}: some program of root's, with {} keys. Measure it where it decides "
                        "what is\n"
                        "# trusted. For keys of other types than certificates name them in "
                        "key_type=.\n# ",
                        name, count) +
                    rule(name, "");
    }
    return text;
}

}  // namespace keyscribe::cli
