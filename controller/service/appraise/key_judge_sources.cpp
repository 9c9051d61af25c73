// SPDX-License-Identifier: Apache-2.0
// The KeyJudge's part on where keys come from.
#include "controller/service/appraise/codes.h"
#include "controller/service/appraise/key_judge.h"

namespace keyscribe::appraise {

using keyrings::Key;
using keyrings::KeyringModel;
using keyrings::kNone;
using keyrings::Link;
using keyrings::LinkId;

/// What stands in the firmware's keyrings must be the firmware's: userspace can add nothing there
/// but revocations, which do no harm.
void KeyJudge::find_sources(const KeyringModel& model, const FirmwareKeys& firmware) {
    for (LinkId id = 0; id < model.links(); ++id) {
        const Link& link = model.link(id);
        if (link.keyring == kNone) continue;
        const Key& ring = model.key(link.keyring);
        const MaterialId material = material_of(link.key);
        const Material* what = material == kNoMaterial ? nullptr : &materials_[material];
        const Key& key = model.key(link.key);
        const KeySource source = verdicts_[id].source = firmware.source_of(ring, key, what);
        const bool of_kernel = source == KeySource::kNotOfKernel;
        if (!of_kernel && (source != KeySource::kNotOfFirmware || ring.description == ".blacklist"))
            continue;
        add(id, of_kernel ? codes::kKeyNotOfKernel : codes::kKeyNotOfFirmware,
            of_kernel ? policy_.firmware.allow_keys_not_of_kernel
                      : policy_.firmware.allow_unexplained_keys,
            "the key \"" + printable(key.description) + "\" in " + printable(ring.description) +
                (of_kernel ? " is not built into the kernel image that was booted"
                           : " is in none of the firmware's and shim's variables"),
            link.since.entry);
    }
    firmware.tell_missing_revocations(model, now_);
}

}  // namespace keyscribe::appraise
