// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/service.h"

#include "controller/service/verifier/schema.h"

namespace keyscribe::verifier {
Result<std::unique_ptr<Service>> Service::open(Settings given) {
    auto made = std::make_unique<Service>();
    made->settings = std::move(given);
    const Settings& settings = made->settings;
    auto trust = EkTrust::load(settings);
    if (!trust) return std::unexpected(trust.error());
    made->trust = std::move(*trust);
    auto database = Database::create(settings.store.url, settings.store.connections);
    if (!database) return std::unexpected(database.error());
    made->database = std::move(*database);
    if (auto done = migrate(*made->database); !done) return std::unexpected(done.error());
    // As hex: the column holds text.
    const auto key = shared_secret(*made->database, "nonce", [] {
        const std::string text = base::to_hex(random_bytes());
        return SecretText(text.begin(), text.end());
    });
    if (!key) return std::unexpected(key.error());
    const auto signing = shared_secret(*made->database, "ear", EarSigner::make_key);
    if (!signing) return std::unexpected(signing.error());
    auto signer = EarSigner::load(*signing);
    if (!signer) return std::unexpected(signer.error());
    made->signer = std::move(*signer);
    auto certificate = server_certificate(*made->database, settings);
    if (!certificate) return std::unexpected(certificate.error());
    made->certificate = std::move(*certificate);
    const auto name = shared_secret(*made->database, "source", [] {
        const std::string text = random_id();
        return SecretText(text.begin(), text.end());
    });
    if (!name) return std::unexpected(name.error());
    made->changes = std::make_unique<ChangeLog>(
        settings.webhook.urls, "urn:keyscribe:verifier:" + std::string(name->begin(), name->end()));
    made->nonces = std::make_unique<NonceMaker>(*key);
    made->references = std::make_unique<ReferenceStore>(*made->database);
    made->visits = std::make_unique<Visits>(*made->database, settings, *made->nonces,
                                            *made->references, *made->changes);
    made->enrolments =
        std::make_unique<Enrolments>(*made->database, settings, made->trust, *made->changes);
    return made;
}

}  // namespace keyscribe::verifier
