// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "controller/base/base64.h"
#include "controller/base/mapped_file.h"
#include "controller/base/output_file.h"
#include "controller/base/printable.h"
#include "controller/base/utf8.h"
#include "controller/keyrings/certificate.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/list/json_text.h"

namespace keyscribe::references {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// "Debian-Secure-Boot-CA-0123456789abcdef.der": of letters that every file system has.
std::string file_name(Bytes der) {
    constexpr std::size_t kLongestName = 60, kDigits = 16;
    std::string name;
    if (const auto view = keyrings::view_certificate(der)) name = keyrings::display_name(*view);
    for (char& letter : name)
        if (!std::isalnum(static_cast<unsigned char>(letter)) && letter != '.' && letter != '_')
            letter = '-';
    name = name.substr(0, kLongestName);
    if (name.empty() || name.front() == '.' || name.front() == '-') name.insert(0, "certificate");
    return name + '-' + to_hex(sha256(der)).substr(0, kDigits) + ".der";
}

Result<void> write_certificate(ReferenceFile& file, const fs::path& path) {
    std::error_code code;
    if (fs::exists(path, code)) {
        const auto there = MappedFile::open(path);
        if (!there) return std::unexpected(there.error());
        file.was_there = std::ranges::equal(there->bytes(), file.certificate->der);
        if (file.was_there) return {};
        return fail("the file is there, with another content", path.string(),
                    "remove it, or take another folder");
    }
    return write_file(path, file.certificate->der);
}

json json_of(const Signer& signer) {
    json told = {{"digest", signer.digest}};
    if (!signer.issuer.empty()) told["issuer"] = signer.issuer;
    if (!signer.serial.empty()) told["serial"] = signer.serial;
    if (!signer.key_id.empty()) told["key_id"] = to_hex(signer.key_id);
    if (signer.certificate) told["certificate_sha256"] = to_hex(sha256(*signer.certificate));
    return told;
}

/// "linux-image-6.1.deb, boot/vmlinuz-6.1": without the folders that the source lay in.
std::string image_name(const std::string& where) {
    const std::size_t end = std::min(where.find(", "), where.size());
    const std::size_t slash = where.rfind('/', end);
    return slash == where.npos || slash > end ? where : where.substr(slash + 1);
}

json json_of(const KernelImage& image) {
    json told = {{"name", image_name(image.name)},
                 {"sha256_file", to_hex(image.sha256_file)},
                 {"certificates", json::array()}};
    if (image.sha256_authenticode) told["sha256_authenticode"] = to_hex(*image.sha256_authenticode);
    for (const std::vector<std::uint8_t>& der : image.certificates) {
        const auto view = keyrings::view_certificate(der);
        if (!view) continue;
        told["certificates"].push_back({{"subject", keyrings::display_name(*view)},
                                        {"sha256", to_hex(sha256(der))},
                                        {"sha256_public_key", to_hex(sha256(view->public_key))}});
    }
    return told;
}

json json_of_images(const Findings& findings) {
    json images = json::array();
    for (const KernelImage& image : findings.kernel_images) images.push_back(json_of(image));
    return images;
}

std::string subject_of(Bytes der) {
    const auto certificate = keyrings::parse_certificate(der);
    return certificate ? certificate->subject : std::string("a certificate that is damaged");
}

/// In the folder of reference values.
std::string place_of(const ReferenceFile& file) {
    return file.keyring.empty() ? file.name : file.keyring + '/' + file.name;
}

/// Certificates by what signatures name them by: a file may have a hundred thousand signers.
class SignersCertificates {
  public:
    explicit SignersCertificates(const Findings& findings) {
        if (findings.signed_files.empty()) return;
        for (const FoundCertificate& found : findings.certificates)
            if (const auto certificate = keyrings::parse_certificate(found.der)) {
                by_serial_.try_emplace({certificate->issuer, certificate->serial}, &found);
                by_key_id_.try_emplace(certificate->subject_key_id, &found);
            }
    }
    /// nullptr: it is not among those that were found.
    const FoundCertificate* of(const Signer& signer) const {
        if (!signer.key_id.empty()) {
            const auto found = by_key_id_.find(signer.key_id);
            return found == by_key_id_.end() ? nullptr : found->second;
        }
        const auto found = by_serial_.find({signer.issuer, signer.serial});
        return found == by_serial_.end() ? nullptr : found->second;
    }

  private:
    std::map<std::pair<std::string, std::string>, const FoundCertificate*> by_serial_;
    std::map<std::vector<std::uint8_t>, const FoundCertificate*> by_key_id_;
};

std::string text_of(const SignedFile& file, const SignersCertificates& certificates) {
    std::string text = fmt::format("signed   {} ({}", printable(file.where), file.signature.kind);
    if (file.signature.covers_file)
        text += *file.signature.covers_file ? ", over this file" : ", over OTHER content";
    text += ")\n";
    for (const Signer& signer : file.signature.signers) {
        if (signer.key_id.empty())
            text += fmt::format("         by serial {} of {}\n", signer.serial,
                                printable(signer.issuer));
        else
            text += fmt::format("         by key identifier {}\n", to_hex(signer.key_id));
        if (signer.certificate)
            text += fmt::format("         which is {}, as the signature brings it\n",
                                printable(subject_of(*signer.certificate)));
        else if (const FoundCertificate* found = certificates.of(signer))
            text += fmt::format("         which is {}, of {}\n", printable(subject_of(found->der)),
                                printable(found->where));
    }
    return text;
}

}  // namespace

Result<std::vector<ReferenceFile>> write_references(const Findings& findings,
                                                    const fs::path& folder) {
    std::map<std::pair<std::string, std::string>, ReferenceFile> files;
    for (const FoundCertificate& certificate : findings.certificates)
        for (const std::string& keyring : certificate.keyrings) {
            const std::string name = file_name(certificate.der);
            files.try_emplace({keyring, name}, ReferenceFile{&certificate, keyring, name, false});
        }
    std::vector<ReferenceFile> written;
    for (auto& [place, file] : files) {
        // A golden host's keyring can have any name, and a CoRIM any text; a path ends at a NUL.
        // What may stand in any keyring lies beside the folders.
        if (file.keyring.find_first_of(std::string_view("/\0", 2)) != file.keyring.npos ||
            file.keyring == "." || file.keyring == "..")
            return fail("a keyring of that name can have no folder: " + printable(file.keyring),
                        file.certificate->where);
        std::error_code code;
        fs::create_directories(folder / file.keyring, code);
        if (code)
            return fail("cannot make the folder: " + code.message(),
                        (folder / file.keyring).string());
        if (auto done = write_certificate(file, folder / file.keyring / file.name); !done)
            return std::unexpected(done.error());
        written.push_back(std::move(file));
    }
    return written;
}

std::string kernel_images_json(const Findings& findings) {
    return list::json_text(json{{"kernel_images", json_of_images(findings)}}, 2) + '\n';
}

std::string blocked_keys(const Findings& findings) {
    std::string text;
    std::set<std::string> told;
    for (const FoundCertificate& found : findings.certificates) {
        if (std::ranges::find(found.keyrings, ".blacklist") == found.keyrings.end()) continue;
        if (!told.insert(to_hex(sha256(found.der))).second) continue;
        text += fmt::format("# {}: {}\n-----BEGIN CERTIFICATE-----\n", found.source,
                            visible(subject_of(found.der), 200));
        constexpr std::size_t kLine = 64;
        const std::string base64 = to_base64(found.der);
        for (std::size_t at = 0; at < base64.size(); at += kLine)
            text += base64.substr(at, kLine) + '\n';
        text += "-----END CERTIFICATE-----\n";
    }
    for (const Revocation& revocation : findings.revocations) {
        // Of other digests than SHA-256 no key of a list is known.
        constexpr std::size_t kSha256Text = 4 + 64;  // "tbs:HEX"
        if (!revocation.digest.starts_with("tbs:") || revocation.digest.size() != kSha256Text ||
            !told.insert(revocation.digest).second)
            continue;
        text += fmt::format("# {}\n{}\n", revocation.source, revocation.digest.substr(4));
    }
    return text;
}

json to_json(const Findings& findings, const std::vector<ReferenceFile>& files) {
    json certificates = json::array(), revocations = json::array(), signed_files = json::array();
    std::map<std::vector<std::uint8_t>, std::vector<const ReferenceFile*>> written;
    for (const ReferenceFile& file : files) written[file.certificate->der].push_back(&file);
    for (const FoundCertificate& found : findings.certificates) {
        json told = {{"sha256", to_hex(sha256(found.der))},
                     {"keyrings", found.keyrings},
                     {"source", found.source},
                     {"where", found.where}};
        if (const auto certificate = keyrings::parse_certificate(found.der)) {
            told["subject"] = certificate->subject;
            told["fingerprint"] = to_hex(certificate->fingerprint);
        }
        if (const auto of_it = written.find(found.der); of_it != written.end())
            for (const ReferenceFile* file : of_it->second)
                told["files"].push_back(place_of(*file));
        certificates.push_back(std::move(told));
    }
    for (const Revocation& one : findings.revocations)
        revocations.push_back(
            {{"digest", one.digest}, {"source", one.source}, {"where", one.where}});
    for (const SignedFile& file : findings.signed_files) {
        json told = {
            {"where", file.where}, {"kind", file.signature.kind}, {"signers", json::array()}};
        if (file.signature.covers_file) told["covers_file"] = *file.signature.covers_file;
        for (const Signer& signer : file.signature.signers)
            told["signers"].push_back(json_of(signer));
        signed_files.push_back(std::move(told));
    }
    return {{"certificates", std::move(certificates)},
            {"kernel_images", json_of_images(findings)},
            {"revocations", std::move(revocations)},
            {"signed_files", std::move(signed_files)},
            {"notes", findings.notes}};
}

std::string to_text(const Findings& findings, const std::vector<ReferenceFile>& files) {
    std::string text;
    for (const KernelImage& image : findings.kernel_images)
        text += fmt::format("kernel   {} ({}), {} built in\n", printable(image.name), image.form,
                            image.certificates.size());
    for (const ReferenceFile& file : files)
        text +=
            fmt::format("{} {}\n         {}, of {}: {}\n", file.was_there ? "as it is" : "written ",
                        printable(place_of(file)), printable(subject_of(file.certificate->der)),
                        file.certificate->source, printable(file.certificate->where));
    // Without a folder to write to they are told all the same.
    if (files.empty())
        for (const FoundCertificate& found : findings.certificates)
            for (const std::string& keyring : found.keyrings)
                text += fmt::format("found    {}, for {}, of {}: {}\n",
                                    printable(subject_of(found.der)),
                                    keyring.empty() ? "any keyring" : printable(keyring),
                                    found.source, printable(found.where));
    for (const FoundCertificate& found : findings.certificates)
        if (found.keyrings.empty())
            text += fmt::format("left out {}, {}: {}\n", printable(subject_of(found.der)),
                                found.source, printable(found.where));
    std::map<std::string, std::pair<std::size_t, std::size_t>> revoked;
    for (const Revocation& one : findings.revocations)
        ++(one.digest.starts_with("tbs:") ? revoked[one.source].first : revoked[one.source].second);
    for (const auto& [source, counts] : revoked)
        text += fmt::format("revoked  {} certificates and {} programs by digest, of {}\n",
                            counts.first, counts.second, source);
    const SignersCertificates certificates(findings);
    for (const SignedFile& file : findings.signed_files) text += text_of(file, certificates);
    for (const std::string& note : findings.notes)
        text += fmt::format("note     {}\n", printable(note));
    return text;
}

}  // namespace keyscribe::references
