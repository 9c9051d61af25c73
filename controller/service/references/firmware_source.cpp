// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/firmware_source.h"

#include <algorithm>
#include <array>

#include "controller/base/mapped_file.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/certificate_file.h"
#include "controller/service/appraise/efi_signatures.h"
#include "controller/service/firmware/signature_list.h"

namespace keyscribe::references {
namespace {

namespace fs = std::filesystem;

struct VariableKind {
    Variable variable;
    const char* name;      // of a source
    const char* efi_name;  // for people
    const char* file;      // of efivarfs
    std::vector<std::string> keyrings;
    bool revokes;
};

const std::array<VariableKind, 4>& kinds() {
    // EFI_IMAGE_SECURITY_DATABASE_GUID, SHIM_LOCK_GUID. Where a MOK goes depends on
    // MokListTrustedRT, and on what .machine's restriction refuses: it may stand in either.
    static const std::array<VariableKind, 4> all{{
        {Variable::kDb,
         "db",
         "db",
         "db-d719b2cb-3d3a-4596-a3bc-dad00e67656f",
         {".platform"},
         false},
        {Variable::kDbx,
         "dbx",
         "dbx",
         "dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f",
         {".blacklist"},
         true},
        {Variable::kMok,
         "mok",
         "MokListRT",
         "MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23",
         {".machine", ".platform"},
         false},
        {Variable::kMokX,
         "mokx",
         "MokListXRT",
         "MokListXRT-605dab50-e046-4300-abb6-3dd810dd8b23",
         {".blacklist"},
         true},
    }};
    return all;
}

const VariableKind& kind_of(Variable variable) {
    return *std::ranges::find(kinds(), variable, &VariableKind::variable);
}

/// Before the lists of a file of efivarfs stand the attributes, before those of a .auth file its
/// signature.
Result<void> take_lists(Bytes lists, const VariableKind& kind, const std::string& where,
                        Findings& to) {
    const firmware::SignatureLists read = firmware::read_signature_lists(lists);
    if (read.malformed)
        return fail(read.malformed->what, where + ", at " + read.malformed->where,
                    "the kernel takes nothing behind it");
    std::size_t left_out = 0;
    for (const firmware::SignatureList& list : read.lists)
        for (const Bytes data : list.signatures) {
            constexpr std::size_t kDigest = std::tuple_size_v<Sha256>;
            if (list.type == &firmware::kX509) {
                if (!keyrings::view_certificate(data))
                    return fail("not an X.509 certificate", where, "the kernel takes none of it");
                to.certificates.push_back(
                    {{data.begin(), data.end()}, kind.keyrings, kind.efi_name, where});
            } else if (kind.revokes && list.type == &firmware::kSha256 && data.size() == kDigest) {
                to.revocations.push_back({"bin:" + to_hex(data), kind.efi_name, where});
            } else if (kind.revokes && list.type == &firmware::kX509Sha256 &&
                       data.size() >= kDigest) {
                to.revocations.push_back(
                    {"tbs:" + to_hex(data.first(kDigest)), kind.efi_name, where});
            } else {
                ++left_out;
            }
        }
    if (left_out != 0)
        to.notes.push_back(where + ": " + std::to_string(left_out) +
                           " signatures of kinds that the kernel takes from no " + kind.efi_name);
    return {};
}

}  // namespace

std::optional<Variable> variable_named(std::string_view name) {
    const auto found = std::ranges::find(kinds(), name, &VariableKind::name);
    return found == kinds().end() ? std::nullopt : std::optional(found->variable);
}

Result<void> take_variable_lists(Bytes lists, Variable variable, const std::string& where,
                                 Findings& to) {
    return take_lists(lists, kind_of(variable), where + ", " + kind_of(variable).efi_name, to);
}

Result<void> take_variable(Bytes content, Variable variable, const std::string& where,
                           Findings& to) {
    const VariableKind& kind = kind_of(variable);
    if (appraise::is_efi_signatures(content))
        return take_lists(content.subspan(appraise::size_before_signatures(content)), kind, where,
                          to);
    auto certificates = appraise::read_certificates(content, where);
    if (!certificates) return std::unexpected(certificates.error());
    for (appraise::FileItem& one : *certificates)
        to.certificates.push_back(
            {std::move(one.der), kind.keyrings, kind.efi_name, std::move(one.where)});
    return {};
}

std::optional<Variable> efivarfs_variable(const fs::path& file) {
    const auto found = std::ranges::find(kinds(), file.filename().string(), &VariableKind::file);
    return found == kinds().end() ? std::nullopt : std::optional(found->variable);
}

bool is_efivarfs(const fs::path& folder) {
    std::error_code code;
    return std::ranges::any_of(
        kinds(), [&](const VariableKind& kind) { return fs::exists(folder / kind.file, code); });
}

Result<void> take_efivarfs(const fs::path& folder, Findings& to) {
    std::error_code code;
    // Shim's variable that has the kernel pass over db (load_uefi.c, uefi_check_ignore_db()).
    const bool ignore_db =
        fs::exists(folder / "MokIgnoreDB-605dab50-e046-4300-abb6-3dd810dd8b23", code);
    for (const VariableKind& kind : kinds()) {
        const fs::path path = folder / kind.file;
        if (!fs::exists(path, code)) continue;
        if (kind.variable == Variable::kDb && ignore_db) {
            to.notes.push_back(path.string() + ": left out, since MokIgnoreDB is set");
            continue;
        }
        const auto file = MappedFile::open(path);
        if (!file) return std::unexpected(file.error());
        constexpr std::size_t kAttributes = 4;
        if (file->bytes().size() <= kAttributes) continue;  // a variable without content
        if (auto taken = take_variable(file->bytes(), kind.variable, path.string(), to); !taken)
            return taken;
    }
    return {};
}

}  // namespace keyscribe::references
