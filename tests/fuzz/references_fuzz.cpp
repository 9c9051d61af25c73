// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as files that an operator hands in: certificates in every form, blocked keys and
// files, attestation keys. What is read is read whole: as many certificates as BEGIN lines.
#include <algorithm>
#include <cstdlib>

#include "controller/service/appraise/blocked.h"
#include "controller/service/appraise/certificate_file.h"
#include "controller/service/appraise/digest_text.h"
#include "controller/service/appraise/efi_signatures.h"
#include "controller/service/appraise/quote.h"
#include "tests/fuzz/fuzzer.h"

namespace keyscribe {
namespace references_fuzz {

using namespace keyscribe::appraise;
using keyscribe::Bytes;

void require(bool good) {
    if (!good) std::abort();
}

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++found;
    return found;
}

bool is_der(const FileItem& item) { return !item.der.empty() && item.der[0] == 0x30; }

void read_text(std::string_view text) {
    const auto pem = read_pem(text, "f");
    if (!pem) return require(!pem.error().where.empty());
    require(pem->blocks.size() == count(text, "-----BEGIN "));
    require(pem->blocks.size() == count(text, "-----END "));
    std::size_t before = 0;
    for (const PemBlock& block : pem->blocks) {
        require(block.line > before && !block.data.empty() && !block.label.empty());
        before = block.line;
    }
}

void fuzz(const std::uint8_t* data, std::size_t size) {
    const Bytes input(data, size);
    const std::string_view text = keyscribe::as_text(input);
    read_text(text);
    if (const auto file = read_certificate_file(input, "f")) {
        for (const FileItem& item : file->certificates)
            require(is_der(item) && keyscribe::keyrings::view_certificate(item.der).has_value());
        for (const FileItem& item : file->public_keys) require(is_der(item));
        const auto certificates = read_certificates(input, "f");
        if (certificates) require(certificates->size() == file->certificates.size());
        // What names a certificate or a key blocks it.
        if (const auto blocked = BlockedKeys::parse(text, "f"))
            for (const FileItem& item : file->certificates)
                require(blocked->contains(digests_of_payload(item.der)));
    } else {
        require(!file.error().where.empty() && !read_certificates(input, "f"));
        require(!BlockedKeys::parse(text, "f") && !AttestationKey::parse(text, "f"));
    }
    if (is_efi_signatures(input))
        if (const auto found = read_efi_signatures(input, "f"))
            for (const Bytes der : found->certificates)
                require(der.data() >= data && der.data() + der.size() <= data + size);
    ReferenceValues values;
    if (values.add(input, "f")) {
        require(!values.all().empty());
        for (const Reference& one : values.all()) {
            require(values.by_certificate(one.digest) != nullptr && is_named(one, "f"));
            require(!values.that_may_be(one.digest, one.key_digest, ".ima").empty());
        }
    }
    (void)AttestationKey::parse(text, "f");
    if (const auto files = BlockedFiles::parse(text, "f")) require(!files->empty());
    if (const auto digest = sha256_of_text(text)) require(size >= 2 * digest->size());
}

const testing::Fuzzer kFuzzer("references_fuzz", fuzz);

}  // namespace references_fuzz
}  // namespace keyscribe
