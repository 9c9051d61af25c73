// SPDX-License-Identifier: Apache-2.0
// A visit: evidence of a host, over a nonce that one of this verifier's processes gave.
//
// Evidence with nothing new (the same boot, entries, PCR values, basis: see fingerprint.h) has the
// verdict that the last one had. Its quotes are verified, the host's row is written, and no list is
// read: the cost is the same for 10 entries and for 100,000. Evidence with something new is judged
// with the records that matter of the list that is kept (appraise/list_extract.h), or with the
// whole of it where these cannot be told, and what is new is appended. A verdict is in force once
// its transaction has committed, and only then is it answered.
#pragma once

#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "controller/service/appraise/signature_cache.h"
#include "controller/service/verifier/enrolment.h"
#include "controller/service/verifier/host_store.h"
#include "controller/service/verifier/nonce.h"
#include "controller/service/verifier/reference_store.h"

namespace keyscribe::verifier {

class Visits {
  public:
    Visits(Database& database, const Settings& settings, const NonceMaker& nonces,
           ReferenceStore& references, const ChangeLog& changes)
        : database_(database),
          settings_(settings),
          nonces_(nonces),
          references_(references),
          changes_(changes) {}

    /// Judges `evidence`. Returns the host as it is after that.
    Answer<HostRow> take(Bytes nonce, Bytes evidence);

    /// Judges hosts again that nobody visits: by what is kept of them, with the basis that holds
    /// now. Writes them in one transaction. Returns how many were written: not those of which there
    /// is nothing to judge, or which a visit overtook. May run on several threads at once.
    Result<int> judge_again(std::span<const std::string> hosts);

    struct Trial {
        HostRow host;
        appraise::Appraisal appraisal;
    };
    /// The same with another basis, and nothing is written. Nothing: there is nothing to judge.
    Result<std::optional<Trial>> try_basis(const std::string& host, const GroupBasis& basis);
    Result<std::optional<Trial>> try_basis(HostRow host, const GroupBasis& basis);

    struct Counters {
        std::atomic<std::uint64_t> unchanged = 0, judged = 0, refused = 0, judged_again = 0;
    };
    const Counters& counters() const { return counters_; }

  private:
    struct Piece;
    Answer<HostRow> take_known(const Piece& piece, const HostRow& host);
    Answer<HostRow> take_unchanged(const Piece& piece, const HostRow& host);
    Answer<HostRow> take_changed(const Piece& piece, const HostRow& host);
    Answer<HostRow> take_appraised(const Piece& piece, const HostRow& host,
                                   const appraise::Appraisal& appraisal,
                                   std::optional<std::size_t> appended);
    Result<bool> judge_kept(Trial& trial, const Snapshot& snapshot, Load load,
                            const GroupBasis& basis);
    Answer<HostRow> commit(const HostRow& former, HostRow next, const Work& more);
    std::unexpected<Problem> refuse(const HostRow& host, Problem problem);
    void tell_verdict(soci::session& session, const HostRow& former, const std::string& verdict,
                      const nlohmann::json& detail) const;

    Database& database_;
    const Settings& settings_;
    const NonceMaker& nonces_;
    ReferenceStore& references_;
    const ChangeLog& changes_;
    appraise::SignatureCache signatures_;
    Counters counters_;
};

}  // namespace keyscribe::verifier
