// SPDX-License-Identifier: Apache-2.0
// The parts of a verifier, put together.
#pragma once

#include <memory>

#include "controller/service/verifier/ear.h"
#include "controller/service/verifier/tls.h"
#include "controller/service/verifier/visit.h"

namespace keyscribe::verifier {

struct Service {
    Settings settings;
    std::unique_ptr<Database> database;
    EkTrust trust;
    std::unique_ptr<ChangeLog> changes;
    std::unique_ptr<NonceMaker> nonces;
    std::unique_ptr<ReferenceStore> references;
    std::unique_ptr<Visits> visits;
    std::unique_ptr<Enrolments> enrolments;
    EarSigner signer;
    Certificate certificate;

    /// Opens the database, whose schema it brings up to date, and reads what all processes share.
    /// Error: as the parts say; is_of_store() where the database is away, and may be back.
    static Result<std::unique_ptr<Service>> open(Settings settings);
};

}  // namespace keyscribe::verifier
