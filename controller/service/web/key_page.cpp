// SPDX-License-Identifier: Apache-2.0
// A key: what it is, who signed it, and where it is trusted since when.
#include <algorithm>
#include <ctime>

#include "controller/base/base64.h"
#include "controller/keyrings/certificate_view.h"
#include "controller/service/appraise/openssl.h"
#include "controller/service/report/words.h"
#include "controller/service/web/pages.h"
#include "controller/service/web/queries.h"
#include "controller/service/web/words.h"

namespace keyscribe::web {
namespace {

using appraise::Owned;
using nlohmann::json;

using Buffer = std::vector<std::uint8_t>;

Owned<X509> parsed(Bytes der) {
    const unsigned char* at = der.data();
    return Owned<X509>(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

/// Reference values of all groups that have hosts.
Result<std::vector<verifier::BasisPtr>> all_references(Service& service) {
    const auto epoch = service.references->epoch();
    if (!epoch) return std::unexpected(epoch.error());
    const auto groups = service.references->groups();
    if (!groups) return std::unexpected(groups.error());
    std::vector<verifier::BasisPtr> all;
    for (const std::string& group : *groups) {
        auto basis = service.references->basis(group, *epoch, verifier::now());
        if (!basis) return std::unexpected(basis.error());
        all.push_back(std::move(*basis));
    }
    return all;
}

/// The key's certificate, DER: as a host had it, or, since of keys that were there before
/// Keyscribe the kernel shows the public key alone, a reference value with that public key.
Buffer certificate_of(const json& key, const std::vector<verifier::BasisPtr>& references) {
    auto der = from_base64(text_of(key, "certificate"));
    if (der && !der->empty()) return std::move(*der);
    const std::string public_key = text_of(key, "public_key");
    for (const auto& basis : references)
        for (const appraise::Reference& one : basis->basis.references.all())
            if (to_hex(one.key_digest) == public_key)
                return {one.view.der.begin(), one.view.der.end()};
    return {};
}

/// Whether the signature of `of` is by the key of `by`.
bool is_signed_by(X509* of, X509* by) {
    return of != nullptr && by != nullptr && X509_verify(of, X509_get0_pubkey(by)) == 1;
}

Html verified(const Html& by) {
    Html html;
    html.add(R"({} <span class="badge good">signature verified</span>)", by);
    return html;
}

/// Whose signature it has, of the keys that hosts have and of the reference values: each
/// candidate's is verified.
Result<Html> signer(Service& service, const json& key, Bytes der,
                    const std::vector<verifier::BasisPtr>& references) {
    Html html;
    const Owned<X509> certificate = parsed(der);
    if (!certificate)
        return Html::of(
            "<em>not known: hosts show the public key alone, and it is no reference "
            "value’s</em>");
    const std::string issuer = text_of(key, "issuer");
    const auto view = keyrings::view_certificate(der);
    if (is_signed_by(certificate.get(), certificate.get())) {
        if (view && std::ranges::equal(view->subject, view->issuer))
            return verified(Html::of("itself"));
        html.add(R"(itself <span class="badge bad">it names another as its issuer: {}</span>)",
                 report::name(issuer));
        return html;
    }
    const auto candidates = keys_of_subject(*service.database, issuer);
    if (!candidates) return std::unexpected(candidates.error());
    for (const json& candidate : *candidates)
        if (is_signed_by(certificate.get(), parsed(certificate_of(candidate, {})).get()))
            return verified(key_link(text_of(candidate, "fingerprint"), issuer));
    for (const auto& basis : references)
        for (const appraise::Reference& one : basis->basis.references.all())
            if (view && std::ranges::equal(one.view.subject, view->issuer) &&
                is_signed_by(certificate.get(), parsed(one.view.der).get())) {
                html.add(R"(<a href="/keys?q={}">{}</a>, a reference value)",
                         to_hex(one.key_digest), report::name(keyrings::display_name(one.view)));
                return verified(html);
            }
    html.add(
        R"({} <span class="badge warn">by its own word: no host’s key and no reference value made this signature</span>)",
        report::name(issuer));
    return html;
}

Html as_code(const std::string& hex) {
    return hex.empty() ? Html::of("<em>none</em>") : report::long_digest(hex);
}

Result<Html> facts(Service& service, const json& key) {
    const auto references = all_references(service);
    if (!references) return std::unexpected(references.error());
    const Buffer der = certificate_of(key, *references);
    const auto signed_by = signer(service, key, der, *references);
    if (!signed_by) return std::unexpected(signed_by.error());
    const auto view = keyrings::view_certificate(der);
    Html first, validity, html, items;
    first.add("{}, on {}", time_of(key, "first_seen"),
              host_link(text_of(key, "first_host"), text_of(key, "first_name")));
    items.add("{}{}", fact("Signed by", *signed_by), fact("First seen", first));
    if (view) {
        validity.add("{} to {}", report::utc(view->not_before), report::utc(view->not_after));
        items.add("{}{}", fact("Valid", validity),
                  fact("Serial number", as_code(to_hex(view->serial))));
    }
    items.add("{}{}{}", fact("SHA-256", as_code(text_of(key, "fingerprint"))),
              fact("SHA-256 of the public key", as_code(text_of(key, "public_key"))),
              fact("Key identifier of who signed it", as_code(text_of(key, "signer"))));
    html.add(R"(<section class="card" aria-labelledby="key"><dl>{}</dl></section>
)",
             items);
    return html;
}

Html where_table(const json& hosts) {
    Html rows, html;
    for (const json& host : hosts)
        rows.add(
            R"(<tr><th scope="row">{}</th><td data-name="in"><code>{}</code></td><td data-name="since">{}</td><td data-name="until">{}</td></tr>
)",
            host_link(text_of(host, "host"), text_of(host, "name")), text_of(host, "keyring"),
            time_of(host, "since"),
            text_of(host, "until").empty() ? Html::of("now") : time_of(host, "until"));
    html.add(
        R"(<table class="list"><thead><tr><th scope="col">Host</th><th scope="col">Keyring</th><th scope="col">Since</th><th scope="col">Until</th></tr></thead>
<tbody>
{}</tbody></table>
)",
        rows);
    return html;
}

/// As an input of type datetime-local sends it, in UTC. Nothing where it is no time.
std::optional<std::int64_t> moment(const std::string& text) {
    for (const char* format : {"%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"}) {
        std::tm parts{};
        const char* end = ::strptime(text.c_str(), format, &parts);
        if (end != nullptr && *end == '\0') return std::max<std::int64_t>(0, ::timegm(&parts));
    }
    return std::nullopt;
}

}  // namespace

Result<Page> key_page(Service& service, const Request& request) {
    const auto key = find_key(*service.database, request.parts[0]);
    if (!key) return std::unexpected(key.error());
    if (key->is_null()) return error_page(404, "There is no such key", "No host has, or had, it.");
    const std::string fingerprint = text_of(*key, "fingerprint");
    const std::string& asked = request.parameter("at");
    const auto at = moment(asked);
    const auto hosts = hosts_of_key(*service.database, {.fingerprint = fingerprint,
                                                        .at = at.value_or(-1),
                                                        .offset = number_of(request, "from", 0)});
    if (!hosts) return std::unexpected(hosts.error());
    const auto about = facts(service, *key);
    if (!about) return std::unexpected(about.error());
    Page page{.title = text_of(*key, "subject"), .place = Place::kKeys};
    page.main.add(
        R"(<h1>{}</h1>
{}<section aria-labelledby="where"><h2 id="where">Where it is, or was, trusted</h2>
<form class="filter" method="get" action="/keys/{}"><label>At that time alone (UTC) <input type="datetime-local" name="at" value="{}"></label><button>Show</button></form>
)",
        report::name(page.title), *about, fingerprint, at ? asked : std::string());
    if ((*hosts)["hosts"].empty())
        page.main.add("<p class=\"empty\">Nowhere{}.</p>\n",
                      at ? Html::of(" at that time") : Html());
    else
        page.main.add("{}", where_table((*hosts)["hosts"]));
    if (hosts->contains("next"))
        page.main.add(
            R"(<p class="pages"><a rel="next" href="/keys/{}?from={}{}{}">Next page</a></p>
)",
            fingerprint, (*hosts)["next"].get<std::int64_t>(), at ? Html::of("&amp;at=") : Html(),
            at ? url_part(asked) : std::string());
    page.main.add("</section>\n");
    return page;
}

}  // namespace keyscribe::web
