// SPDX-License-Identifier: Apache-2.0
#include "controller/host/fleet/enrolment_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "controller/base/mapped_file.h"
#include "controller/base/output_file.h"
#include "controller/list/json_text.h"

namespace keyscribe::fleet {

using nlohmann::json;

Result<void> keep_enrolment(const std::filesystem::path& folder, const Enrolment& enrolment) {
    std::error_code code;
    std::filesystem::create_directories(folder, code);
    if (code) return fail("cannot make the folder: " + code.message(), folder.string());
    const json kept = {{"url", enrolment.verifier.url()},
                       {"pin", enrolment.verifier.pin},
                       {"ca", enrolment.verifier.ca.string()},
                       {"id", enrolment.id},
                       {"host", enrolment.host},
                       {"name", enrolment.name},
                       {"ak_handle", enrolment.ak_handle}};
    return write_file(folder / kEnrolmentFile, as_bytes(list::json_text(kept, 2) + '\n'),
                      kEverybodyReads);
}

Result<std::optional<Enrolment>> read_enrolment(const std::filesystem::path& folder) {
    const auto path = folder / kEnrolmentFile;
    struct stat about{};
    if (::stat(path.c_str(), &about) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
        return fail_errno("cannot read the enrolment", path.string());
    }
    const auto refuse = [&](const char* what) {
        return fail(what, path.string(), "enrol this host again: keyscribe enrol");
    };
    // Whoever writes it says whom evidence is sent to.
    if ((about.st_uid != 0 && about.st_uid != ::geteuid()) || (about.st_mode & S_IWOTH) != 0)
        return refuse("not root's own: others can write the enrolment");
    const auto file = MappedFile::open(path);
    if (!file) return std::unexpected(file.error());
    const json kept = json::parse(as_text(file->bytes()), nullptr, false);
    try {
        auto verifier = parse_url(kept.at("url").get<std::string>());
        if (!verifier) return refuse("the enrolment names no verifier");
        verifier->pin = kept.at("pin").get<std::string>();
        verifier->ca = kept.at("ca").get<std::string>();
        return Enrolment{.verifier = std::move(*verifier),
                         .id = kept.at("id").get<std::string>(),
                         .host = kept.at("host").get<std::string>(),
                         .name = kept.at("name").get<std::string>(),
                         .ak_handle = kept.at("ak_handle").get<std::uint32_t>()};
    } catch (const json::exception&) {
        return refuse("not an enrolment as `keyscribe enrol` keeps it");
    }
}

}  // namespace keyscribe::fleet
