// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/blocked.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "controller/keyrings/certificate_view.h"
#include "controller/keyrings/public_key.h"
#include "controller/service/appraise/certificate_file.h"
#include "controller/service/appraise/digest_text.h"
#include "controller/service/appraise/kernel_hashes.h"

namespace keyscribe::appraise {
namespace {

constexpr std::string_view kSpaces = " \t";

std::string_view without_comment(std::string_view line) {
    if (line.starts_with('#')) return {};
    return line;
}

struct FirstWord {
    std::string_view word, rest;
};

FirstWord split(std::string_view line) {
    const std::size_t end = std::min(line.find_first_of(kSpaces), line.size());
    const std::size_t next = line.find_first_not_of(kSpaces, end);
    return {line.substr(0, end), next == line.npos ? std::string_view() : line.substr(next)};
}

/// Behind a digest may stand a file's name, or a comment, but not another digest: that would be
/// passed over.
bool hides_a_digest(std::string_view word, std::string_view rest) {
    const auto is_another = [&](std::string_view text) {
        const auto bytes = bytes_of_text(text);
        return bytes && bytes->size() >= 20 && bytes != bytes_of_text(word);
    };
    for (; !rest.empty(); rest = split(rest).rest) {
        const std::string_view next = split(rest).word;
        if (is_another(next)) return true;
        // "sha256:HEX", "(HEX)", "HEX,HEX"; a path may have a digest in it.
        // A blank that is no ASCII ends a word, too.
        const auto is_mark = [](char letter) {
            constexpr std::string_view kMarks = ",;|()[]{}<>\"'=:*";
            return kMarks.contains(letter) || static_cast<unsigned char>(letter) >= 0x80;
        };
        for (std::size_t at = 0; at < next.size();) {
            const auto from = next.begin() + static_cast<std::ptrdiff_t>(at);
            const auto end =
                static_cast<std::size_t>(std::find_if(from, next.end(), is_mark) - next.begin());
            if (is_another(next.substr(at, end - at))) return true;
            at = end + 1;
        }
    }
    return false;
}

/// A control character but the tab, NEL or one of Unicode's separators: some programs end a line
/// there, and what they take for the next one would be passed over as part of a comment or a name.
bool has_other_line_end(std::string_view line) {
    using namespace std::string_view_literals;
    const auto is_control = [](char letter) {
        return static_cast<unsigned char>(letter) < ' ' && letter != '\t';
    };
    return std::ranges::any_of(line, is_control) ||
           std::ranges::any_of(std::array{"\xc2\x85"sv, "\xe2\x80\xa8"sv, "\xe2\x80\xa9"sv},
                               [line](std::string_view end) { return line.contains(end); });
}

Error other_line_end(const std::string& file, const TextLine& line) {
    return {"a line's end in a form that not every program knows", at_line(file, line.number),
            "lines end in a newline, or a carriage return"};
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& letter : result)
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return result;
}

struct NamedDigest {
    std::string_view algorithm;
    std::vector<std::uint8_t> bytes;
    std::string_view file{};  ///< as the line names it; empty: it names none
};

/// What stands behind a digest: a file's name, in binary mode behind '*'.
std::string_view file_named(std::string_view rest) {
    if (rest.starts_with('#')) return {};
    if (rest.starts_with('*')) rest.remove_prefix(1);
    return rest;
}

std::optional<NamedDigest> digest_of(std::string_view algorithm, std::string_view hex,
                                     std::string_view file) {
    auto bytes = bytes_of_text(hex);
    const KernelHash* hash = kernel_hash(lower(algorithm));
    if (!bytes || hash == nullptr || hash->size != bytes->size()) return std::nullopt;
    return NamedDigest{hash->name, std::move(*bytes), file};
}

/// "SHA256 (name) = HEX", as `sha256sum --tag` and BSD's sha256 write it.
std::optional<NamedDigest> digest_of_tag(std::string_view line) {
    const std::size_t open = line.find(" ("), close = line.rfind(") = ");
    if (open == line.npos || close == line.npos || close < open) return std::nullopt;
    // Another such line that a NUL or a blank ended.
    const std::string_view name = line.substr(open + 2, close - open - 2);
    if (hides_a_digest(line.substr(close + 4),
                       name.substr(std::min(name.find(") = "), name.size()))))
        return std::nullopt;
    return digest_of(line.substr(0, open), line.substr(close + 4), name);
}

std::optional<NamedDigest> digest_of_line(std::string_view line) {
    // sha256sum puts this before a line whose file name it had to escape (GNU coreutils).
    if (line.starts_with('\\')) line.remove_prefix(1);
    if (auto tagged = digest_of_tag(line)) return tagged;
    const auto [word, rest] = split(line);
    if (hides_a_digest(word, rest)) return std::nullopt;
    if (auto bytes = bytes_of_text(word)) {
        for (const char* name : {"sha1", "sha256", "sha384", "sha512"})
            if (const KernelHash* hash = kernel_hash(name); hash->size == bytes->size())
                return NamedDigest{hash->name, std::move(*bytes), file_named(rest)};
        return std::nullopt;
    }
    const std::size_t colon = word.find(':');
    if (colon == word.npos) return std::nullopt;
    return digest_of(word.substr(0, colon), word.substr(colon + 1), file_named(rest));
}

std::string entry_of(std::string_view algorithm, Bytes digest) {
    return std::string(algorithm) + ':' + to_hex(digest);
}

}  // namespace

KeyDigests digests_of_payload(Bytes payload) {
    KeyDigests digests{.certificate = sha256(payload)};
    if (const auto view = keyrings::view_certificate(payload)) {
        digests.tbs = sha256(view->tbs);
        digests.spki = sha256(view->spki);
        digests.key = sha256(view->public_key);
    }
    return digests;
}

KeyDigests digests_of_public_key(Bytes key, std::string_view algorithm) {
    KeyDigests digests{.key = sha256(key)};
    if (const auto spki = keyrings::public_key_info(algorithm, key); !spki.empty())
        digests.spki = sha256(spki);
    return digests;
}

Result<BlockedKeys> BlockedKeys::parse(std::string_view text, const std::string& file) {
    auto found = read_certificate_file(as_bytes(text), file);
    if (!found) return std::unexpected(found.error());
    BlockedKeys keys;
    keys.digests_.insert(found->tbs_digests.begin(), found->tbs_digests.end());
    for (const FileItem& certificate : found->certificates) {
        const KeyDigests digests = digests_of_payload(certificate.der);
        for (const auto& digest : {digests.certificate, digests.tbs, digests.spki, digests.key})
            if (digest) keys.digests_.insert(*digest);
        if (const auto view = keyrings::view_certificate(certificate.der))
            keys.add_spki(view->spki);
    }
    for (const FileItem& key : found->public_keys) keys.add_spki(key.der);
    for (const TextLine& line : found->text) {
        if (has_other_line_end(line.text)) return std::unexpected(other_line_end(file, line));
        auto [word, rest] = split(without_comment(line.text));
        if (word.empty()) continue;
        if (word.starts_with('\\')) word.remove_prefix(1);  // as sha256sum escapes a name
        const auto digest = sha256_of_text(word);
        if (!digest || hides_a_digest(word, rest))
            return fail("expected the SHA-256 of a certificate or public key, in hex",
                        at_line(file, line.number), "comments begin with #");
        keys.digests_.insert(*digest);
    }
    if (keys.empty()) return fail("no key is named in it", file, "nothing would be blocked");
    return keys;
}

/// As it is written, and as a kernel shows it: a point of a curve can be written in three ways.
void BlockedKeys::add_spki(Bytes spki) {
    const auto key = keyrings::read_public_key(spki);
    const auto canonical = key ? keyrings::canonical_spki(key.get()) : std::vector<std::uint8_t>();
    for (const Bytes form : {spki, Bytes(canonical)}) {
        if (form.empty()) continue;
        digests_.insert(sha256(form));
        if (const auto bits = keyrings::public_key_of_spki(form)) digests_.insert(sha256(*bits));
    }
}

void BlockedKeys::extend(const ReferenceValues& references) {
    std::vector<Sha256> more;
    for (const Reference& reference : references.all())
        if (contains(KeyDigests{.certificate = reference.digest,
                                .tbs = reference.tbs_digest,
                                .spki = reference.spki_digest,
                                .key = reference.key_digest}))
            more.insert(more.end(),
                        {reference.digest, reference.spki_digest, reference.key_digest});
    digests_.insert(more.begin(), more.end());
    extended_with_ = references.identity();
}

bool BlockedKeys::contains(const KeyDigests& key) const {
    if (empty()) return false;
    return std::ranges::any_of(
        std::array{key.certificate, key.tbs, key.spki, key.key},
        [this](const std::optional<Sha256>& digest) { return digest && contains(*digest); });
}

Result<BlockedFiles> BlockedFiles::parse(std::string_view text, const std::string& file) {
    BlockedFiles files;
    // The digests that each file has in each algorithm: one for each of its builds. Two files may
    // have one content.
    std::map<std::string, std::map<std::string_view, std::set<std::string_view>>> builds;
    for (const TextLine& line : lines_of(text)) {
        if (has_other_line_end(line.text)) return std::unexpected(other_line_end(file, line));
        const std::string_view content = without_comment(line.text);
        if (content.empty()) continue;
        const auto digest = digest_of_line(content);
        if (!digest)
            return fail("expected a file's digest in hex, as sha256sum writes it",
                        at_line(file, line.number), "or ALGORITHM:HEX; comments begin with #");
        std::string entry = entry_of(digest->algorithm, digest->bytes);
        // A digest without a name is a file of its own.
        std::string name(digest->file);
        if (name.empty()) name = '\n' + entry;
        builds[std::move(name)][digest->algorithm].insert(
            *files.digests_.insert(std::move(entry)).first);
    }
    if (files.empty()) return fail("no file is named in it", file, "nothing would be blocked");
    std::map<std::string_view, std::size_t> complete;
    for (const auto& [name, digests] : builds) {
        std::size_t most = 0;
        for (const auto& [algorithm, of_builds] : digests) most = std::max(most, of_builds.size());
        for (const auto& [algorithm, of_builds] : digests)
            complete[algorithm] += of_builds.size() == most;
    }
    for (const auto& [algorithm, names] : complete)
        if (names == builds.size()) files.algorithms_.emplace(algorithm);
    return files;
}

bool BlockedFiles::contains(std::string_view algorithm, Bytes digest) const {
    const KernelHash* hash = kernel_hash(algorithm);
    return hash != nullptr && digests_.contains(entry_of(hash->name, digest));
}

bool BlockedFiles::compares(std::string_view algorithm) const {
    const KernelHash* hash = kernel_hash(algorithm);
    return hash != nullptr && algorithms_.contains(std::string(hash->name));
}

}  // namespace keyscribe::appraise
