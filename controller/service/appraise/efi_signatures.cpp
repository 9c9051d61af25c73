// SPDX-License-Identifier: Apache-2.0
#include "controller/service/appraise/efi_signatures.h"

#include <algorithm>
#include <array>

#include "controller/base/little_endian.h"

namespace keyscribe::appraise {
namespace {

/// As it lies in memory: the first three of its parts are little-endian (UEFI 2.10, appendix A).
using Guid = std::array<std::uint8_t, 16>;

struct SignatureType {
    Guid guid;
    const char* name;
};
// UEFI 2.10, 32.4.1. The first two are read; the rest are known so that they can be refused by
// name.
constexpr SignatureType kTypes[] = {
    {{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0,
      0x72},
     "EFI_CERT_X509_GUID"},
    {{0x92, 0xa4, 0xd2, 0x3b, 0xc0, 0x96, 0x79, 0x40, 0xb4, 0x20, 0xfc, 0xf9, 0x8e, 0xf1, 0x03,
      0xed},
     "EFI_CERT_X509_SHA256_GUID"},
    {{0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43,
      0x28},
     "EFI_CERT_SHA256_GUID"},
    {{0xe8, 0x66, 0x57, 0x3c, 0x9c, 0x26, 0x34, 0x4e, 0xaa, 0x14, 0xed, 0x77, 0x6e, 0x85, 0xb3,
      0xb6},
     "EFI_CERT_RSA2048_GUID"},
    {{0x90, 0x61, 0xb3, 0xe2, 0x9b, 0x87, 0x3d, 0x4a, 0xad, 0x8d, 0xf2, 0xe7, 0xbb, 0xa3, 0x27,
      0x84},
     "EFI_CERT_RSA2048_SHA256_GUID"},
    {{0x12, 0xa5, 0x6c, 0x82, 0x10, 0xcf, 0xc9, 0x4a, 0xb1, 0x87, 0xbe, 0x01, 0x49, 0x66, 0x31,
      0xbd},
     "EFI_CERT_SHA1_GUID"},
    {{0x4f, 0x44, 0xf8, 0x67, 0x43, 0x87, 0xf1, 0x48, 0xa3, 0x28, 0x1e, 0xaa, 0xb8, 0x73, 0x60,
      0x80},
     "EFI_CERT_RSA2048_SHA1_GUID"},
    {{0x33, 0x52, 0x6e, 0x0b, 0x5c, 0xa6, 0xc9, 0x44, 0x94, 0x07, 0xd9, 0xab, 0x83, 0xbf, 0xc8,
      0xbd},
     "EFI_CERT_SHA224_GUID"},
    {{0x07, 0x53, 0x3e, 0xff, 0xd0, 0x9f, 0xc9, 0x48, 0x85, 0xf1, 0x8a, 0xd5, 0x6c, 0x70, 0x1e,
      0x01},
     "EFI_CERT_SHA384_GUID"},
    {{0xae, 0x0f, 0x3e, 0x09, 0xc4, 0xa6, 0x50, 0x4f, 0x9f, 0x1b, 0xd4, 0x1e, 0x2b, 0x89, 0xc1,
      0x9a},
     "EFI_CERT_SHA512_GUID"},
    {{0x6e, 0x87, 0x76, 0x70, 0xc2, 0x80, 0xe6, 0x4e, 0xaa, 0xd2, 0x28, 0xb3, 0x49, 0xa6, 0x86,
      0x5b},
     "EFI_CERT_X509_SHA384_GUID"},
    {{0x63, 0xbf, 0x6d, 0x44, 0x02, 0x25, 0xda, 0x4c, 0xbc, 0xfa, 0x24, 0x65, 0xd2, 0xb0, 0xfe,
      0x9d},
     "EFI_CERT_X509_SHA512_GUID"},
};
constexpr const SignatureType* kX509 = &kTypes[0];
constexpr const SignatureType* kX509Sha256 = &kTypes[1];
constexpr Guid kPkcs7{0x9d, 0xd2, 0xaf, 0x4a, 0xdf, 0x68, 0xee, 0x49,
                      0x8a, 0xa9, 0x34, 0x7d, 0x37, 0x56, 0x65, 0xa7};

constexpr std::size_t kGuid = 16;
constexpr std::size_t kListHeader = kGuid + 3 * 4;
constexpr std::size_t kEfiTime = 16;

const SignatureType* type_at(Bytes content) {
    if (content.size() < kListHeader) return nullptr;
    const auto found = std::ranges::find_if(kTypes, [&](const SignatureType& type) {
        return std::ranges::equal(type.guid, content.first(kGuid));
    });
    return found == std::end(kTypes) ? nullptr : &*found;
}

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

/// What stands before the first list.
std::size_t size_of_prefix(Bytes content) {
    constexpr std::size_t kAttributes = 4;
    if (const std::size_t size = size_of_authentication(content); size != 0) return size;
    if (type_at(content) == nullptr && content.size() > kAttributes &&
        type_at(content.subspan(kAttributes)) != nullptr)
        return kAttributes;
    return 0;
}

}  // namespace

bool is_efi_signatures(Bytes content) {
    return size_of_prefix(content) != 0 || type_at(content) != nullptr;
}

Result<EfiSignatures> read_efi_signatures(Bytes content, const std::string& file) {
    EfiSignatures found;
    Bytes rest = content.subspan(size_of_prefix(content));
    while (!rest.empty()) {
        const std::string where =
            file + ", at byte " + std::to_string(content.size() - rest.size());
        const SignatureType* type = type_at(rest);
        if (type == nullptr) return fail("not an EFI_SIGNATURE_LIST of a known type", where);
        const std::size_t list_size = load_le32(rest.data() + kGuid);
        const std::size_t header = load_le32(rest.data() + kGuid + 4);
        const std::size_t size = load_le32(rest.data() + kGuid + 8);
        if (list_size < kListHeader || list_size > rest.size() || header != 0 || size <= kGuid ||
            (list_size - kListHeader) % size != 0)
            return fail("an EFI_SIGNATURE_LIST whose sizes do not add up", where);
        if (type != kX509 && type != kX509Sha256)
            return fail(std::string("signatures of a kind that is no certificate: ") + type->name,
                        where);
        Bytes signatures = rest.subspan(kListHeader, list_size - kListHeader);
        for (; !signatures.empty(); signatures = signatures.subspan(size)) {
            const Bytes data = signatures.subspan(kGuid, size - kGuid);  // behind SignatureOwner
            if (type == kX509) {
                found.certificates.push_back(data);
                continue;
            }
            Sha256 digest;
            if (data.size() != digest.size() + kEfiTime)
                return fail("an EFI_CERT_X509_SHA256 of another size", where);
            std::ranges::copy(data.first(digest.size()), digest.begin());
            found.certificate_digests.push_back(digest);
        }
        rest = rest.subspan(list_size);
    }
    return found;
}

}  // namespace keyscribe::appraise
