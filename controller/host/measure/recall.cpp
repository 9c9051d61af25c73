// SPDX-License-Identifier: Apache-2.0
#include "controller/host/measure/recall.h"

#include "controller/list/unfold.h"
#include "controller/keyrings/keyring_model.h"

namespace keyscribe {
namespace {

KeyEvent as_it_stands(const model::Key& key, KeyringName keyring) {
    KeyEvent event;
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

std::optional<measure::TpmState> recall(measure::Bytes list, KeyTable& table) {
    model::KeyringModel model(model::KeyringModel::History::kForget);
    std::optional<measure::TpmState> tpm;
    (void)measure::for_each_record(list, [&](const measure::LogicalRecord& record) {
        (void)model.feed(record);
        if (record.name == "keyscribe:start" || record.name == "keyscribe:restart" ||
            record.name == "keyscribe:tpm")
            tpm = measure::tpm_state(record.buf);
    });
    for (const model::KeyId id : model.keyrings()) {
        const model::Key& keyring = model.key(id);
        if (keyring.serial == 0) continue;
        for (const model::LinkId link : model.contents(id)) {
            const model::Key& key = model.key(model.link(link).key);
            if (key.serial != 0)
                table.take(as_it_stands(key, {keyring.serial, keyring.description}));
        }
    }
    return tpm;
}

}  // namespace keyscribe
