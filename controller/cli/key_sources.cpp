// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/key_sources.h"

#include <filesystem>
#include <vector>

#include "controller/base/mapped_file.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/firmware_keys.h"
#include "controller/service/appraise/key_source.h"

namespace keyscribe::cli {

/// What a FirmwareCheck looks at, with the log's own values in place of a quote's.
struct KeySources::Firmware {
    std::vector<MappedFile> files;
    evidence::Evidence evidence;
    appraise::AppraisalPolicy policy;
    appraise::Findings findings;
    std::unique_ptr<appraise::FirmwareCheck> check;
    std::unique_ptr<appraise::FirmwareKeys> keys;
};

KeySources::KeySources() = default;
KeySources::~KeySources() = default;
KeySources::KeySources(KeySources&&) noexcept = default;

KeySources KeySources::of_this_host(const std::string& log, const std::string& mok_directory) {
    KeySources sources;
    auto all = std::make_unique<Firmware>();
    const auto read = [&](const std::string& path) -> Bytes {
        std::error_code ignored;
        if (!std::filesystem::exists(path, ignored)) return {};
        auto file = MappedFile::open(path);
        return file ? all->files.emplace_back(std::move(*file)).bytes() : Bytes();
    };
    const Bytes bytes = read(log);
    const auto parsed = firmware::parse_event_log(bytes);
    if (bytes.empty() || !parsed) return sources;
    all->evidence.firmware =
        evidence::Firmware{.log = bytes,
                           .mok_list = read(mok_directory + "/MokListRT"),
                           .mok_list_x = read(mok_directory + "/MokListXRT"),
                           .mok_list_trusted = read(mok_directory + "/MokListTrustedRT")};
    auto& quote = all->evidence.quotes.emplace_back();
    for (const Algorithm bank : parsed->banks)
        if (const auto values = firmware::replay(*parsed, bank))
            for (unsigned pcr = 0; pcr < firmware::kPcrs; ++pcr)
                quote.pcrs[bank][pcr] = (*values)[pcr];
    all->check =
        std::make_unique<appraise::FirmwareCheck>(all->evidence, all->policy, all->findings);
    all->keys =
        std::make_unique<appraise::FirmwareKeys>(*all->check, all->policy, nullptr, all->findings);
    sources.firmware_ = std::move(all);
    return sources;
}

std::string KeySources::line(const keyrings::KeyringModel& model, keyrings::LinkId id,
                             Bytes payload) const {
    const keyrings::Link& link = model.link(id);
    const keyrings::Key& key = model.key(link.key);
    appraise::KeySource source = appraise::KeySource::kList;
    if (firmware_) {
        appraise::Material material;
        if (key.fingerprint)
            material.key_digest = *key.fingerprint;
        else if (const auto view = keyrings::view_certificate(payload))
            material.key_digest = sha256(view->public_key);
        source = firmware_->keys->source_of(model.key(link.keyring), key, &material);
    }
    return appraise::source_line(model, id, source);
}

}  // namespace keyscribe::cli
