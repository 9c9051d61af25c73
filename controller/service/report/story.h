// SPDX-License-Identifier: Apache-2.0
// What the covered list tells, made ready for the page's sections: its records in order, and the
// keyrings as they stood at its end.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "controller/keyrings/keyring_model.h"
#include "controller/service/appraise/appraise.h"

namespace keyscribe::report {

/// A record of the list, or an entry that stands for none. Views into the list.
struct Moment {
    std::uint64_t entry = 0;
    std::uint32_t index = 0;  ///< in a batch
    std::string_view name;    ///< keyscribe:KIND, or the keyring of a payload; or "boot_aggregate"
    Bytes buf;
    bool has_payload = false;  ///< the entry before it has its payload, and is no moment of its own
    bool skipped = false;      ///< an entry that nothing vouches for: a violation, another PCR's
};

/// keyscribe:start and keyscribe:restart. Views into the list.
struct Speaker {
    std::uint64_t entry = 0;
    std::string_view version, kernel, boot_id;
    Bytes controller, bpf;  ///< SHA-256
};

class Story {
  public:
    /// Of the entries that the quote covers. `appraisal` has `next`, and outlives this.
    explicit Story(const appraise::Appraisal& appraisal);
    Story(const Story&) = delete;
    Story& operator=(const Story&) = delete;

    const keyrings::KeyringModel& model() const { return *appraisal_.model; }
    const appraise::KeyVerdict& verdict(keyrings::LinkId link) const {
        return appraisal_.verdicts[link];
    }
    const std::vector<Moment>& moments() const { return moments_; }
    const std::vector<Speaker>& speakers() const { return speakers_; }
    Bytes bytes(keyrings::Extent extent) const { return list_.subspan(extent.offset, extent.size); }

  private:
    void tell(const list::Entry& entry, std::uint64_t number, unsigned pcr);
    void tell(const list::LogicalRecord& record);

    const appraise::Appraisal& appraisal_;
    std::vector<std::uint8_t> joined_;  // where what was kept and what is new lie apart
    Bytes list_;
    std::vector<Moment> moments_;
    std::vector<Speaker> speakers_;
};

}  // namespace keyscribe::report
