// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/efi_signatures.h"

#include <algorithm>
#include <array>

#include "controller/base/little_endian.h"
#include "controller/service/firmware/signature_list.h"

namespace keyscribe::appraise {
namespace {

constexpr std::size_t kGuid = 16;
constexpr std::size_t kEfiTime = 16;
constexpr std::array<std::uint8_t, kGuid> kPkcs7{0x9d, 0xd2, 0xaf, 0x4a, 0xdf, 0x68, 0xee, 0x49,
                                                 0x8a, 0xa9, 0x34, 0x7d, 0x37, 0x56, 0x65, 0xa7};

/// EFI_TIME, then WIN_CERTIFICATE_UEFI_GUID with a PKCS#7 signature: its size, or 0.
std::size_t size_of_authentication(Bytes content) {
    constexpr std::size_t kHeader = 8 + kGuid;  // dwLength, wRevision, wCertificateType, CertType
    if (content.size() < kEfiTime + kHeader) return 0;
    const Bytes info = content.subspan(kEfiTime);
    const std::size_t length = load_le32(info.data());
    constexpr std::array<std::uint8_t, 4> kRevisionAndType{0x00, 0x02, 0xf1, 0x0e};
    if (!std::ranges::equal(info.subspan(4, 4), kRevisionAndType) ||
        !std::ranges::equal(info.subspan(8, kGuid), kPkcs7) || length < kHeader ||
        length > info.size())
        return 0;
    return kEfiTime + length;
}

}  // namespace

std::size_t size_before_signatures(Bytes content) {
    constexpr std::size_t kAttributes = 4;
    if (const std::size_t size = size_of_authentication(content); size != 0) return size;
    if (!firmware::begins_signature_list(content) && content.size() > kAttributes &&
        firmware::begins_signature_list(content.subspan(kAttributes)))
        return kAttributes;
    return 0;
}

bool is_efi_signatures(Bytes content) {
    return size_before_signatures(content) != 0 || firmware::begins_signature_list(content);
}

Result<EfiSignatures> read_efi_signatures(Bytes content, const std::string& file) {
    EfiSignatures found;
    for (Bytes rest = content.subspan(size_before_signatures(content)); !rest.empty();) {
        const std::string where =
            file + ", at byte " + std::to_string(content.size() - rest.size());
        if (!firmware::begins_signature_list(rest))
            return fail("not an EFI_SIGNATURE_LIST of a known type", where);
        const auto list = firmware::take_signature_list(rest);
        if (!list) return fail(list.error().what, where);
        if (!list->header.empty())
            return fail("an EFI_SIGNATURE_LIST whose sizes do not add up", where);
        if (list->type != &firmware::kX509 && list->type != &firmware::kX509Sha256)
            return fail(
                std::string("signatures of a kind that is no certificate: ") + list->type->name,
                where);
        for (const Bytes data : list->signatures) {
            if (list->type == &firmware::kX509) {
                found.certificates.push_back(data);
                continue;
            }
            Sha256 digest;
            if (data.size() != digest.size() + kEfiTime)
                return fail("an EFI_CERT_X509_SHA256 of another size", where);
            std::ranges::copy(data.first(digest.size()), digest.begin());
            found.certificate_digests.push_back(digest);
        }
    }
    return found;
}

}  // namespace keyscribe::appraise
