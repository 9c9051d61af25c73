// SPDX-License-Identifier: Apache-2.0
#include "controller/service/references/golden_host.h"

#include <map>
#include <set>
#include <utility>

#include "controller/base/printable.h"
#include "controller/evidence/evidence.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/keyrings/keyring_model.h"
#include "controller/list/unfold.h"
#include "controller/service/firmware/secure_boot.h"
#include "controller/service/references/firmware_source.h"

namespace keyscribe::references {
namespace {

using keyrings::KeyringModel;

Result<void> feed(KeyringModel& model, Bytes list, const std::string& where) {
    Result<void> outcome;
    const auto fed = list::for_each_record(list, [&](const list::LogicalRecord& record) {
        if (outcome) outcome = model.feed(record);
    });
    model.finish();
    if (!fed) return fail(fed.error().what, where + ", " + fed.error().where);
    if (!outcome) return fail(outcome.error().what, where + ", " + outcome.error().where);
    return {};
}

void take_key(const keyrings::Key& ring, const keyrings::Key& key, Bytes list,
              const std::string& where, Findings& to) {
    if (std::string_view(key.type) != "asymmetric") return;
    const Bytes payload = list.subspan(key.payload.offset, key.payload.size);
    if (keyrings::view_certificate(payload))
        to.certificates.push_back(
            {{payload.begin(), payload.end()}, {ring.description}, "golden host", where});
    else if (key.fingerprint)
        to.standing_keys.push_back(
            {*key.fingerprint, ring.description, printable(key.description, 200), where});
    else
        to.notes.push_back(
            where + ": of a key in " + printable(ring.description) +
            " the list has neither certificate nor public key: " + printable(key.description, 200));
}

Result<void> take_firmware(const evidence::Firmware& firmware, const std::string& where,
                           Findings& to) {
    const auto log = firmware::parse_event_log(firmware.log);
    if (!log) return fail(log.error().what, where + ", firmware's log, " + log.error().where);
    const auto variables = firmware::read_secure_boot(*log, log->banks);
    if (!variables)
        to.notes.push_back(where + ": its log of the firmware's has no variables: " +
                           to_string(variables.error()));
    else if (auto taken = take_variable_lists(variables->db, Variable::kDb, where, to); !taken)
        return taken;
    else if (taken = take_variable_lists(variables->dbx, Variable::kDbx, where, to); !taken)
        return taken;
    if (auto taken = take_variable_lists(firmware.mok_list, Variable::kMok, where, to); !taken)
        return taken;
    return take_variable_lists(firmware.mok_list_x, Variable::kMokX, where, to);
}

}  // namespace

Result<void> take_golden_host(Bytes content, const std::string& where, Findings& to) {
    const auto document = evidence::decode(content);
    if (!document) return fail(document.error().what, where + ", " + document.error().where);
    const evidence::Evidence& evidence = document->evidence;
    if (evidence.list.from_entry != 0)
        return fail("evidence without the list's beginning", where,
                    "have the host make it without --since");
    KeyringModel model(KeyringModel::History::kForget);
    if (auto fed = feed(model, evidence.list.data, where); !fed) return fed;
    const auto now = static_cast<std::int64_t>(evidence.time);
    for (const keyrings::KeyId id : model.keyrings()) {
        const keyrings::Key& ring = model.key(id);
        // Who is not root has keyrings of any name. What stands in .blacklist is trusted by nobody.
        if ((ring.owner_known && ring.uid != 0) || ring.description == ".blacklist") continue;
        for (const keyrings::LinkId link : model.contents(id))
            if (model.holds(model.link(link), now))
                take_key(ring, model.key(model.link(link).key), evidence.list.data, where, to);
    }
    to.notes.push_back(where +
                       ": what stands on that host, taken on trust: nothing of it was verified "
                       "(keyscribe appraise does)");
    return evidence.firmware ? take_firmware(*evidence.firmware, where, to) : Result<void>();
}

void resolve_standing_keys(Findings& findings) {
    if (findings.standing_keys.empty()) return;
    // A golden host's evidence may have a hundred thousand keys, and a source as many certificates.
    std::map<Sha256, std::vector<FoundCertificate*>> by_key;
    std::set<std::pair<const FoundCertificate*, std::string>> placed;
    for (FoundCertificate& certificate : findings.certificates) {
        if (const auto view = keyrings::view_certificate(certificate.der))
            by_key[sha256(view->public_key)].push_back(&certificate);
        for (const std::string& keyring : certificate.keyrings)
            placed.emplace(&certificate, keyring);
    }
    for (const StandingKey& key : findings.standing_keys) {
        const auto found = by_key.find(key.fingerprint);
        if (found == by_key.end()) {
            findings.notes.push_back(
                key.where + ": of a key in " + printable(key.keyring) +
                " the list has the public key alone, and no source has its certificate: " +
                key.description + " (sha256 of the key: " + to_hex(key.fingerprint) + ")");
            continue;
        }
        for (FoundCertificate* certificate : found->second)
            if (placed.emplace(certificate, key.keyring).second)
                certificate->keyrings.push_back(key.keyring);
    }
}

}  // namespace keyscribe::references
