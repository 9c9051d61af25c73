// SPDX-License-Identifier: Apache-2.0
#include "controller/list/template_format.h"

#include <algorithm>

#include "controller/base/little_endian.h"

namespace keyscribe::list {
namespace {

struct Template {
    std::string_view name, format;
};
constexpr Template kTemplates[] = {
    {"ima-ng", "d-ng|n-ng"},
    {"ima-sig", "d-ng|n-ng|sig"},
    {"ima-buf", "d-ng|n-ng|buf"},
    {"ima-ngv2", "d-ngv2|n-ng"},
    {"ima-sigv2", "d-ngv2|n-ng|sig"},
    {"ima-modsig", "d-ng|n-ng|sig|d-modsig|modsig"},
    {"evm-sig", "d-ng|n-ng|evmsig|xattrnames|xattrlengths|xattrvalues|iuid|igid|imode"},
};

/// What ima_template_fmt= says stands in the list in place of a name.
std::string_view format_of(std::string_view name) {
    const auto found = std::ranges::find(kTemplates, name, &Template::name);
    return found == std::end(kTemplates) ? name : found->format;
}

enum Field : unsigned {
    kD,
    kDNg,
    kDNgV2,
    kN,
    kNNg,
    kSig,
    kBuf,
    kDModsig,
    kModsig,
    kEvmsig,
    kIuid,
    kIgid,
    kImode,
    kXattrNames,
    kXattrLengths,
    kXattrValues,
    kFields,
};
constexpr std::string_view kFieldNames[kFields] = {
    "d",      "d-ng",   "d-ngv2", "n",    "n-ng",  "sig",        "buf",          "d-modsig",
    "modsig", "evmsig", "iuid",   "igid", "imode", "xattrnames", "xattrlengths", "xattrvalues"};

constexpr std::size_t kMd5 = 16, kSha1 = 20;

std::optional<Bytes> take_field(Bytes& rest) {
    if (rest.size() < 4) return std::nullopt;
    const std::uint32_t length = load_le32(rest.data());
    if (length > rest.size() - 4) return std::nullopt;
    const Bytes field = rest.subspan(4, length);
    rest = rest.subspan(4 + std::size_t{length});
    return field;
}

/// d: a digest alone, of MD5 or SHA-1.
bool read_bare_digest(Bytes field, TemplateFields& parts) {
    if (field.size() != kMd5 && field.size() != kSha1) return false;
    if (!parts.algorithm.empty()) return true;  // d-ng says more
    parts.algorithm = field.size() == kMd5 ? "md5" : "sha1";
    parts.digest = field;
    return true;
}

/// d-ng "sha256:" NUL digest; d-ngv2 "ima:sha256:" NUL digest.
bool read_digest(Bytes field, bool typed, TemplateFields& parts) {
    const auto end = std::ranges::find(field, std::uint8_t{0});
    if (end == field.end()) return false;
    const std::size_t size = static_cast<std::size_t>(end - field.begin());
    std::string_view prefix = as_text(field.first(size));
    if (!prefix.ends_with(':')) return false;
    prefix.remove_suffix(1);
    if (typed) {
        const auto colon = prefix.find(':');
        if (colon == prefix.npos) return false;
        parts.type = prefix.substr(0, colon);
        prefix.remove_prefix(colon + 1);
    }
    if (prefix.empty() || prefix.find(':') != prefix.npos) return false;
    parts.algorithm = prefix;
    parts.digest = field.subspan(size + 1);
    return true;
}

bool read_name(Bytes field, TemplateFields& parts) {
    if (field.empty() || std::ranges::find(field, std::uint8_t{0}) != field.end() - 1) return false;
    parts.name = as_text(field.first(field.size() - 1));
    return true;
}

/// Empty where the file has no appended signature.
bool read_modsig_digest(Bytes field, TemplateFields& parts) {
    TemplateFields read;
    if (!field.empty() && !read_digest(field, false, read)) return false;
    parts.modsig_algorithm = read.algorithm;
    parts.modsig_digest = read.digest;
    return true;
}

bool read_field(Field id, Bytes field, TemplateFields& parts) {
    if (id == kD) return read_bare_digest(field, parts);
    if (id == kDNg || id == kDNgV2) return read_digest(field, id == kDNgV2, parts);
    if (id == kN || id == kNNg) return read_name(field, parts);
    if (id == kDModsig && !read_modsig_digest(field, parts)) return false;
    if (id == kBuf) parts.buf = field;
    if (id == kSig) parts.sig = field;
    if (id == kEvmsig) parts.evmsig = field;
    if (id == kModsig) parts.modsig = field;
    if (parts.count < parts.more.size()) parts.more[parts.count++] = field;
    return true;
}

/// The first template, "ima": SHA-1 without its length, and the name, which need not end in a NUL.
bool read_first_template(Bytes data, TemplateFields& parts) {
    if (data.size() < kSha1) return false;
    parts.algorithm = "sha1";
    parts.digest = data.first(kSha1);
    Bytes rest = data.subspan(kSha1);
    const auto name = take_field(rest);
    if (!name || !rest.empty()) return false;
    parts.name = as_text(*name);
    parts.name = parts.name.substr(0, parts.name.find('\0'));
    return true;
}

}  // namespace

Result<TemplateFields> decode_fields(std::string_view template_name, Bytes data) {
    const auto refuse = [&](std::string_view why, std::string_view field) {
        return fail("template data of " + std::string(template_name) + ": " + std::string(why) +
                    std::string(field));
    };
    TemplateFields parts;
    if (template_name == "ima") {
        if (!read_first_template(data, parts)) return refuse("its lengths do not add up", "");
        return parts;
    }
    std::string_view format = format_of(template_name);
    for (unsigned seen = 0;;) {
        const std::string_view id = format.substr(0, format.find('|'));
        const auto known = std::ranges::find(kFieldNames, id);
        if (known == std::end(kFieldNames)) return refuse("no field is named ", id);
        const auto field = static_cast<Field>(known - std::begin(kFieldNames));
        if (seen & 1u << field) return refuse("two fields ", id);
        seen |= 1u << field;
        const auto content = take_field(data);
        if (!content) return refuse("a length that does not add up: ", id);
        if (!read_field(field, *content, parts)) return refuse("it is of another form: ", id);
        if (id.size() == format.size()) break;
        format.remove_prefix(id.size() + 1);
    }
    if (!data.empty()) return refuse("bytes behind the last field", "");
    return parts;
}

}  // namespace keyscribe::list
