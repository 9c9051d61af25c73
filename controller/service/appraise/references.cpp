// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/references.h"

#include <openssl/pem.h>

#include <algorithm>

#include "controller/base/mapped_file.h"
#include "controller/service/appraise/kernel_hashes.h"
#include "controller/service/appraise/openssl.h"

namespace keyscribe::appraise {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPemBegin = "-----BEGIN ";

/// The certificates of a PEM file. Anything else in it is an error: a key that was meant to be a
/// certificate must not be passed over.
Result<std::vector<std::vector<std::uint8_t>>> from_pem(Bytes content, const std::string& file) {
    Owned<BIO> bio(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    std::vector<std::vector<std::uint8_t>> certificates;
    for (;;) {
        char *name = nullptr, *header = nullptr;
        unsigned char* data = nullptr;
        long size = 0;
        if (!bio || PEM_read_bio(bio.get(), &name, &header, &data, &size) != 1) break;
        const bool certificate =
            std::string_view(name) == "CERTIFICATE" || std::string_view(name) == "X509 CERTIFICATE";
        const std::string kind = name;
        if (certificate) certificates.emplace_back(data, data + size);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
        if (!certificate)
            return fail("a PEM block of another kind than a certificate: " + kind, file);
    }
    const bool clean = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (!clean || certificates.empty()) return fail("PEM that is damaged", file);
    return certificates;
}

std::optional<std::vector<std::uint8_t>> bytes_of_hex(std::string_view text) {
    const auto digit = [](char letter) -> int {
        if (letter >= '0' && letter <= '9') return letter - '0';
        if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
        if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
        return -1;
    };
    if (text.size() % 2 != 0) return std::nullopt;
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
    }
    return bytes;
}

/// Calls `take(word)` with the first word of each line that has one; false: it is not right.
template <class Take>
Result<void> each_line(std::string_view text, const std::string& file, std::string_view expected,
                       Take take) {
    std::size_t number = 0;
    while (!text.empty()) {
        ++number;
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        line = line.substr(0, line.find('#'));
        const std::size_t begin = line.find_first_not_of(" \t\r");
        if (begin == line.npos) continue;
        line.remove_prefix(begin);
        line = line.substr(0, line.find_first_of(" \t\r"));
        if (!take(line))
            return fail("expected " + std::string(expected), file + ':' + std::to_string(number));
    }
    return {};
}

}  // namespace

Result<void> ReferenceValues::add(Bytes content, const std::string& file,
                                  const std::string& keyring) {
    std::vector<std::vector<std::uint8_t>> certificates;
    if (as_text(content).find(kPemBegin) != std::string_view::npos) {
        auto found = from_pem(content, file);
        if (!found) return std::unexpected(found.error());
        certificates = std::move(*found);
    } else {
        while (!content.empty()) {
            const auto size = keyrings::der_size(content);
            if (!size) return fail("neither PEM nor DER", file, "certificates are expected here");
            certificates.emplace_back(content.begin(),
                                      content.begin() + static_cast<std::ptrdiff_t>(*size));
            content = content.subspan(*size);
        }
    }
    for (auto& certificate : certificates) {
        storage_.push_back(std::move(certificate));
        const auto view = keyrings::view_certificate(storage_.back());
        if (!view) return fail("not an X.509 certificate", file, "certificates are expected here");
        const auto index = static_cast<std::uint32_t>(all_.size());
        all_.push_back({file, keyring, *view, sha256(view->der), sha256(view->public_key)});
        certificates_[all_.back().digest].push_back(index);
        keys_[all_.back().key_digest].push_back(index);
        subjects_[sha256(view->subject)].push_back(index);
    }
    return {};
}

Result<ReferenceValues> ReferenceValues::load(const fs::path& directory) {
    std::error_code code;
    std::vector<std::pair<std::string, std::string>> files;  // and the keyring
    for (fs::recursive_directory_iterator entry(directory, code), end; !code && entry != end;
         entry.increment(code)) {
        if (!entry->is_regular_file(code)) continue;
        const fs::path& file = entry->path();
        files.emplace_back(
            file.string(),
            entry.depth() == 0 ? "" : file.parent_path().lexically_relative(directory).string());
    }
    if (code)
        return fail("cannot read the reference values: " + code.message(), directory.string(),
                    "a folder with certificates is expected");
    std::ranges::sort(files);
    ReferenceValues values;
    for (const auto& [file, keyring] : files) {
        const auto mapped = MappedFile::open(file);
        if (!mapped) return std::unexpected(mapped.error());
        if (auto added = values.add(mapped->bytes(), file, keyring); !added)
            return std::unexpected(added.error());
    }
    if (values.all_.empty())
        return fail("no certificate in the reference values", directory.string(),
                    "every key would be unknown");
    return values;
}

const std::vector<std::uint32_t>* ReferenceValues::by_certificate(const Sha256& digest) const {
    const auto found = certificates_.find(digest);
    return found == certificates_.end() ? nullptr : &found->second;
}

const std::vector<std::uint32_t>* ReferenceValues::by_public_key(const Sha256& digest) const {
    const auto found = keys_.find(digest);
    return found == keys_.end() ? nullptr : &found->second;
}

const std::vector<std::uint32_t>* ReferenceValues::by_subject(Bytes subject) const {
    const auto found = subjects_.find(sha256(subject));
    return found == subjects_.end() ? nullptr : &found->second;
}

Match ReferenceValues::match(const std::optional<Sha256>& certificate,
                             const std::optional<Sha256>& key, std::string_view ring) const {
    const auto fits = [&](const std::vector<std::uint32_t>* found) {
        return found != nullptr && std::ranges::any_of(*found, [&](std::uint32_t index) {
                   const std::string& only = all_[index].keyring;
                   return only.empty() || only == ring;
               });
    };
    const auto* same = certificate ? by_certificate(*certificate) : nullptr;
    if (fits(same)) return Match::kCertificate;
    const auto* same_key = key ? by_public_key(*key) : nullptr;
    if (fits(same_key)) return Match::kPublicKey;
    return same != nullptr || same_key != nullptr ? Match::kOtherKeyring : Match::kNone;
}

Result<BlockedKeys> BlockedKeys::parse(std::string_view text, const std::string& file) {
    BlockedKeys keys;
    if (text.find(kPemBegin) != text.npos) {
        ReferenceValues certificates;
        if (auto added = certificates.add(as_bytes(text), file); !added)
            return std::unexpected(added.error());
        for (const Reference& reference : certificates.all()) {
            keys.digests_.insert(reference.digest);
            keys.digests_.insert(reference.key_digest);
        }
        return keys;
    }
    auto read = each_line(text, file, "the SHA-256 of a certificate or public key, in hex",
                          [&](std::string_view word) {
                              const auto bytes = bytes_of_hex(word);
                              Sha256 digest;
                              if (!bytes || bytes->size() != digest.size()) return false;
                              std::ranges::copy(*bytes, digest.begin());
                              keys.digests_.insert(digest);
                              return true;
                          });
    if (!read) return std::unexpected(read.error());
    return keys;
}

Result<BlockedFiles> BlockedFiles::parse(std::string_view text, const std::string& file) {
    BlockedFiles files;
    auto read = each_line(text, file, "a file's digest in hex, as sha256sum writes it",
                          [&](std::string_view word) {
                              const KernelHash* hash = nullptr;
                              const auto colon = word.find(':');
                              const bool named = colon != word.npos;
                              if (named) {
                                  hash = kernel_hash(word.substr(0, colon));
                                  word.remove_prefix(colon + 1);
                              }
                              const auto bytes = bytes_of_hex(word);
                              if (!bytes) return false;
                              if (!named)
                                  for (const char* name : {"sha1", "sha256", "sha384", "sha512"})
                                      if (kernel_hash(name)->size == bytes->size())
                                          hash = kernel_hash(name);
                              if (hash == nullptr || hash->size != bytes->size()) return false;
                              files.digests_.insert(std::string(hash->name) + ':' + to_hex(*bytes));
                              files.algorithms_.emplace(hash->name);
                              return true;
                          });
    if (!read) return std::unexpected(read.error());
    return files;
}

}  // namespace keyscribe::appraise
