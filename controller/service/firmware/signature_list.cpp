// SPDX-License-Identifier: Apache-2.0
#include "controller/service/firmware/signature_list.h"

#include <algorithm>

#include "controller/base/little_endian.h"

namespace keyscribe::firmware {

const SignatureType kX509{{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15,
                           0x5c, 0x2b, 0xf0, 0x72},
                          "EFI_CERT_X509_GUID"};
const SignatureType kX509Sha256{{0x92, 0xa4, 0xd2, 0x3b, 0xc0, 0x96, 0x79, 0x40, 0xb4, 0x20, 0xfc,
                                 0xf9, 0x8e, 0xf1, 0x03, 0xed},
                                "EFI_CERT_X509_SHA256_GUID"};
const SignatureType kSha256{{0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9,
                             0x36, 0x93, 0x43, 0x28},
                            "EFI_CERT_SHA256_GUID"};

namespace {

// Known so that they can be named.
const SignatureType kOthers[] = {
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

constexpr std::size_t kGuid = 16;
constexpr std::size_t kListHeader = kGuid + 3 * 4;

const SignatureType* type_at(Bytes content) {
    if (content.size() < kListHeader) return nullptr;
    const auto is_it = [&](const SignatureType& type) {
        return std::ranges::equal(type.guid, content.first(kGuid));
    };
    for (const SignatureType* type : {&kX509, &kX509Sha256, &kSha256})
        if (is_it(*type)) return type;
    const auto found = std::ranges::find_if(kOthers, is_it);
    return found == std::end(kOthers) ? nullptr : &*found;
}

}  // namespace

bool begins_signature_list(Bytes content) { return type_at(content) != nullptr; }

Result<SignatureList> take_signature_list(Bytes& rest) {
    const auto wrong = [] { return fail("an EFI_SIGNATURE_LIST whose sizes do not add up"); };
    if (rest.size() < kListHeader) return wrong();
    const std::size_t list_size = load_le32(rest.data() + kGuid);
    const std::size_t header = load_le32(rest.data() + kGuid + 4);
    const std::size_t size = load_le32(rest.data() + kGuid + 8);
    if (list_size < kListHeader || list_size > rest.size() || header > list_size - kListHeader ||
        size <= kGuid || (list_size - kListHeader - header) % size != 0)
        return wrong();
    SignatureList list{type_at(rest), rest.subspan(kListHeader, header), {}, {}};
    Bytes signatures = rest.first(list_size).subspan(kListHeader + header);
    for (; !signatures.empty(); signatures = signatures.subspan(size)) {
        list.owners.push_back(signatures.first(kGuid));
        list.signatures.push_back(signatures.first(size).subspan(kGuid));
    }
    rest = rest.subspan(list_size);
    return list;
}

SignatureLists read_signature_lists(Bytes content) {
    SignatureLists found;
    for (Bytes rest = content; !rest.empty();) {
        const std::string where = "byte " + std::to_string(content.size() - rest.size());
        auto list = take_signature_list(rest);
        // The kernel takes a list without a signature for a malformed one.
        if (!list || list->signatures.empty()) {
            found.malformed = list ? Error{"an EFI_SIGNATURE_LIST without a signature", where, {}}
                                   : Error{list.error().what, where, {}};
            break;
        }
        found.lists.push_back(std::move(*list));
    }
    return found;
}

}  // namespace keyscribe::firmware
