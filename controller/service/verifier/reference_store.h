// SPDX-License-Identifier: Apache-2.0
// What hosts are judged by, by group: reference values, an appraisal policy, blocked keys and
// files, each from a time on and until a time, with who put it there, when and why.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "controller/service/appraise/appraise.h"
#include "controller/service/verifier/database.h"

namespace keyscribe::verifier {

struct ReferenceFile {
    std::string id, group;
    std::string kind = "reference";  ///< "reference", "policy", "blocked-keys", "blocked-files"
    std::string name;                ///< its file's
    std::string keyring;             ///< a reference value's only one; empty: any
    std::int64_t from = 0, until = kNever;
    std::string who, why;
    std::int64_t added = 0;
    std::vector<std::uint8_t> content;
};

/// What is in force for a group at a time.
struct GroupBasis {
    appraise::Basis basis;
    std::string id;  ///< SHA-256, hex, of all that it is made of
    std::int64_t until =
        0;  ///< when something else is in force, or a certificate begins or expires
    std::int64_t epoch = 0;  ///< of the database when it was read
    std::vector<ReferenceFile> files;
};
using BasisPtr = std::shared_ptr<const GroupBasis>;

/// Makes the basis out of files, of those in force at `time`. Error: a file that cannot be read
/// whole, or a name in the policy that can match nothing.
Result<GroupBasis> make_basis(std::vector<ReferenceFile> files, std::int64_t time);

class ReferenceStore {
  public:
    explicit ReferenceStore(Database& database) : database_(database) {}

    /// Of the group, as the database has it at `epoch`; kept in memory as long as that is so.
    Result<BasisPtr> basis(const std::string& group, std::int64_t epoch, std::int64_t time);
    /// The number that changes with each add() and remove() in any process.
    Result<std::int64_t> epoch();

    /// Error: with it, or without it, the group's basis could not be made: nothing is changed.
    Result<void> add(const std::vector<ReferenceFile>& files);
    /// Returns whether there was one.
    Result<bool> remove(const std::string& id);
    /// With contents; `group` empty: all.
    Result<std::vector<ReferenceFile>> files(const std::string& group);
    Result<std::vector<std::string>> groups();

  private:
    Database& database_;
    std::mutex mutex_;
    std::map<std::string, BasisPtr, std::less<>> kept_;
};

nlohmann::json to_json(const ReferenceFile& file);

}  // namespace keyscribe::verifier
