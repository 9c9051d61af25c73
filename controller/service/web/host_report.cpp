// SPDX-License-Identifier: Apache-2.0
// The report of a host's last evidence with something new, out of what is kept of it.
#include "controller/base/base64.h"
#include "controller/service/report/page.h"
#include "controller/service/verifier/appraised.h"
#include "controller/service/verifier/fingerprint.h"
#include "controller/service/web/pages.h"
#include "controller/service/web/words.h"

namespace keyscribe::web {

Result<std::optional<std::string>> report_of(Service& service, const std::string& id) {
    const auto found = verifier::find_host(*service.database, id);
    if (!found) return std::unexpected(found.error());
    if (!*found || (*found)->list_bytes == 0) return std::nullopt;
    const verifier::HostRow& host = **found;
    const auto snapshot = verifier::load_snapshot(*service.database, host);
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) return fail("a visit came in between", "host " + host.name, "load it again");
    const std::int64_t time = verifier::now();
    const auto basis = service.references->basis(host.group, host.epoch, time);
    if (!basis) return std::unexpected(basis.error());
    const auto shell = evidence::decode((*snapshot)->shell);
    const auto nonce = from_base64url((*snapshot)->nonce);
    const auto key = appraise::AttestationKey::parse(as_text(host.ak_key), host.name);
    if (!shell || !nonce || !key)
        return fail("what is kept of host " + id + " is damaged", "database");
    const evidence::Evidence whole = verifier::whole_evidence(
        shell->evidence, (*snapshot)->list, host.entries, (*snapshot)->ima, host.ima_entries);
    const appraise::Request request{.nonce = *nonce,
                                    .keys = {&*key, 1},
                                    .now = time,
                                    .before_kexec = verifier::before_kexec_of(**snapshot)};
    const appraise::Appraisal appraisal = appraise::appraise(whole, request, (*basis)->basis);
    Html links;
    links.add(R"(<li><a href="/">Fleet</a></li><li>{}</li>)", host_link(host.id, host.name));
    return report::page({.appraisal = appraisal,
                         .request = request,
                         .basis = (*basis)->basis,
                         .source = host.name,
                         .version = KEYSCRIBE_VERSION,
                         .evidence = &whole,
                         .links = links});
}

}  // namespace keyscribe::web
