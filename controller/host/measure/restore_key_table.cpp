// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/restore_key_table.h"

#include "controller/host/measure/list_writer.h"
#include "controller/keyrings/keyring_model.h"
#include "controller/list/record.h"
#include "controller/list/unfold.h"

namespace keyscribe::measure {
namespace {

events::KeyEvent as_it_stands(const keyrings::Key& key, events::KeyringName keyring) {
    events::KeyEvent event;
    event.operation = KS_OP_BASELINE;
    event.key_serial = key.serial;
    event.key_type = std::string_view(key.type);
    event.description = key.description;
    event.key_uid = key.uid;
    event.key_gid = key.gid;
    event.key_perm = key.perm;
    event.key_expiry = key.expiry;
    event.keyring = std::move(keyring);
    return event;
}

}  // namespace

void restore_key_table(Bytes list, events::KeyTable& table) {
    keyrings::KeyringModel model(keyrings::KeyringModel::History::kForget);
    (void)list::for_each_record(
        list, [&](const list::LogicalRecord& record) { (void)model.feed(record); });
    for (const keyrings::KeyId id : model.keyrings()) {
        const keyrings::Key& keyring = model.key(id);
        if (keyring.serial == 0) continue;
        for (const keyrings::LinkId link : model.contents(id)) {
            const keyrings::Key& key = model.key(model.link(link).key);
            if (key.serial != 0)
                table.take(as_it_stands(key, {keyring.serial, keyring.description}));
        }
    }
}

std::vector<events::KeyringName> told_keyrings(Bytes list) {
    keyrings::KeyringModel model(keyrings::KeyringModel::History::kForget);
    (void)list::for_each_record(
        list, [&](const list::LogicalRecord& record) { (void)model.feed(record); });
    std::vector<events::KeyringName> told;
    for (const keyrings::KeyId id : model.keyrings())
        if (const keyrings::Key& keyring = model.key(id); keyring.serial != 0)
            told.push_back({keyring.serial, keyring.description});
    return told;
}

std::vector<events::KeyringName> told_keyrings_in(const std::filesystem::path& directory) {
    auto files = ListFiles::open(directory);
    if (!files) return {};
    const auto list = files->read();
    return list ? told_keyrings(*list) : std::vector<events::KeyringName>();
}

std::optional<records::TpmState> recorded_tpm_state(Bytes list) {
    std::optional<records::TpmState> tpm;
    (void)list::for_each_record(list, [&](const list::LogicalRecord& record) {
        const auto parsed = list::parse_record(record.name, record.buf);
        if (!parsed) return;
        if (const auto* start = std::get_if<list::Start>(&*parsed)) tpm = start->tpm;
        if (const auto* change = std::get_if<list::TpmChange>(&*parsed)) tpm = change->tpm;
    });
    return tpm;
}

std::string recorded_boot_id(Bytes list) {
    std::string boot_id;
    (void)list::for_each_record(list, [&](const list::LogicalRecord& record) {
        const auto parsed = list::parse_record(record.name, record.buf);
        if (const auto* start = parsed ? std::get_if<list::Start>(&*parsed) : nullptr)
            boot_id = start->boot_id;
    });
    return boot_id;
}

}  // namespace keyscribe::measure
