// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/built_in.h"

#include <algorithm>
#include <cstring>

#include "controller/base/little_endian.h"
#include "controller/keyrings/certificate_view.h"

namespace keyscribe::references {
namespace {

std::uint64_t load_le64(const std::uint8_t* from) {
    return load_le32(from) | std::uint64_t{load_le32(from + 4)} << 32;
}

/// The beginning of an X.509 certificate of version 3 in DER: SEQUENCE of at least 256 bytes (the
/// kernel takes no shorter one), SEQUENCE, [0] INTEGER 2. Compared before anything is parsed: the
/// image has hundreds of thousands of bytes 0x30.
bool may_begin_certificate(Bytes at) {
    if (at.size() < 16 || at[0] != 0x30 || at[1] != 0x82 || at[4] != 0x30) return false;
    std::size_t header;
    if (at[5] == 0x82)
        header = 8;
    else if (at[5] == 0x81)
        header = 7;
    else
        return false;
    constexpr std::uint8_t kVersion3[] = {0xa0, 0x03, 0x02, 0x01, 0x02};
    return std::ranges::equal(at.subspan(header, sizeof kVersion3), kVersion3);
}

/// The certificate at the beginning of `at`; empty: none.
Bytes certificate_at(Bytes at) {
    if (at.size() < 4 || at[0] != 0x30 || at[1] != 0x82) return {};
    const auto size = keyrings::der_size(at);
    if (!size || *size > at.size() || !keyrings::view_certificate(at.first(*size))) return {};
    return at.first(*size);
}

/// How a run's end looks.
struct Run {
    CertificateRun certificates;
    std::size_t size = 0;
    bool has_size = false;         ///< its size stands behind it
    bool has_module_size = false;  ///< and the size of its first part
};

/// Whether `size` bytes are the first certificates of the run, whole.
bool is_first_part(const CertificateRun& run, std::uint64_t size) {
    std::uint64_t sum = 0;
    for (const Bytes certificate : run.certificates) {
        sum += certificate.size();
        if (sum == size) return true;
    }
    return false;
}

/// Looks for the sizes behind the run: the first bytes after it that are not zero.
/// CONFIG_SYSTEM_EXTRA_CERTIFICATE leaves room there, at most 64 KiB by its help text's example of
/// 4096; and a number that says how much of it is used, which is 0.
void look_behind(Bytes image, Run& run) {
    constexpr std::size_t kMostRoom = 64u << 10;
    const std::size_t end = run.certificates.offset + run.size;
    std::size_t at = end;
    while (at < image.size() && at - end < kMostRoom && image[at] == 0) ++at;
    const std::size_t number = at / 8 * 8;
    constexpr std::size_t kX86 = 8, kArm64 = 256;
    if (number < end || number + 8 > image.size()) return;
    run.has_size = load_le64(image.data() + number) == run.size;
    if (!run.has_size) return;
    for (const std::size_t distance : {kX86, kArm64})
        if (number % distance == 0 && number + distance + 8 <= image.size() &&
            is_first_part(run.certificates, load_le64(image.data() + number + distance)))
            run.has_module_size = true;
}

/// A distribution's kernel has some ten certificates and a hundred revoked hashes.
constexpr std::size_t kMostCertificates = 10'000, kMostHashes = 100'000;

/// With more certificates than any kernel has, the first of them alone.
std::vector<Run> find_runs(Bytes image) {
    std::vector<Run> runs;
    std::size_t certificates = 0;
    for (std::size_t at = 0; at < image.size();) {
        const void* found = std::memchr(image.data() + at, 0x30, image.size() - at);
        if (found == nullptr) break;
        at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - image.data());
        Bytes certificate;
        if (may_begin_certificate(image.subspan(at)))
            certificate = certificate_at(image.subspan(at));
        if (certificate.empty()) {
            ++at;
            continue;
        }
        Run run{{at, {}}};
        while (!certificate.empty() && certificates++ <= kMostCertificates) {
            run.certificates.certificates.push_back(certificate);
            run.size += certificate.size();
            certificate = certificate_at(image.subspan(at + run.size));
        }
        at += run.size;
        if (run.certificates.offset % 8 == 0) look_behind(image, run);
        runs.push_back(std::move(run));
        if (certificates > kMostCertificates) break;
    }
    return runs;
}

/// certs/blacklist_hashes.c: strings, each with its NUL.
std::vector<std::string> find_revoked_hashes(Bytes image) {
    std::vector<std::string> hashes;
    const std::string_view text = as_text(image);
    for (const std::string_view prefix : {"tbs:", "bin:"})
        for (std::size_t at = text.find(prefix); at != text.npos; at = text.find(prefix, at + 1)) {
            constexpr std::size_t kLongest = 128;
            const std::size_t begin = at + prefix.size();
            const std::size_t end = text.find_first_not_of("0123456789abcdef", begin);
            if (end == text.npos || text[end] != '\0' || (at > 0 && text[at - 1] != '\0')) continue;
            // SHA-1 to SHA-512, as the kernel's mark_hash_blacklisted() takes them.
            if (hashes.size() > kMostHashes) return hashes;
            if (const std::size_t size = end - begin;
                size >= 40 && size <= kLongest && size % 2 == 0)
                hashes.emplace_back(text.substr(at, end - at));
        }
    return hashes;
}

}  // namespace

Result<BuiltIn> find_built_in(Bytes image, const std::string& where) {
    std::vector<Run> runs = find_runs(image);
    std::size_t certificates = 0;
    for (const Run& run : runs) certificates += run.certificates.certificates.size();
    if (certificates > kMostCertificates)
        return fail("more than " + std::to_string(kMostCertificates) + " certificates are in it",
                    where, "no kernel has as many");
    std::vector<Run*> trusted, sized;
    for (Run& run : runs) {
        if (run.has_module_size)
            trusted.push_back(&run);
        else if (run.has_size)
            sized.push_back(&run);
    }
    if (trusted.empty() && sized.empty())
        return fail("no list of built-in certificates is in it", where,
                    "a kernel without CONFIG_SYSTEM_TRUSTED_KEYRING, or older than Linux 5.5, has "
                    "none that can be told from others");
    // Without CONFIG_MODULE_SIG the size of the first part is 0, so that the list looks like the
    // revoked ones, which certs/Makefile links behind it.
    if (trusted.empty() && sized.size() == 2) {
        trusted.push_back(sized.front());
        sized.erase(sized.begin());
    }
    if (trusted.size() != 1 || sized.size() > 1)
        return fail(
            "it has lists of certificates of which nobody can tell whether they are trusted "
            "or revoked",
            where, "put the certificates into the keyring's folder by hand");
    BuiltIn found;
    for (Run& run : runs) {
        if (&run == trusted.front())
            found.trusted = std::move(run.certificates);
        else if (!sized.empty() && &run == sized.front())
            found.revoked = std::move(run.certificates);
        else
            found.others.push_back(std::move(run.certificates));
    }
    found.revoked_hashes = find_revoked_hashes(image);
    if (found.revoked_hashes.size() > kMostHashes)
        return fail("more than " + std::to_string(kMostHashes) + " revoked hashes are in it", where,
                    "no kernel has as many");
    return found;
}

}  // namespace keyscribe::references
