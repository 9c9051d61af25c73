// SPDX-License-Identifier: Apache-2.0
// The verifier's database, SQLite 3 or PostgreSQL by one SQL text (SOCI). Bytes are kept as Base64
// in columns of type text: SOCI's blobs are large objects in PostgreSQL, and no one SQL text reads
// both.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.h"

namespace soci {
class session;
}

namespace keyscribe::verifier {

/// Rows of every table belong to a tenant. There is one so far. A variable, as all that soci::use()
/// is given: a statement runs at the end of its full expression, when temporaries are gone.
inline const std::string kTenant = "default";

/// Work in a transaction: it commits unless the work fails or throws soci::soci_error.
using Work = std::function<Result<void>(soci::session&)>;

class Database {
  public:
    /// `url`: "sqlite:PATH" or "postgresql://...", as libpq reads it. Opens nothing yet.
    /// Error: an URL of another kind.
    static Result<std::unique_ptr<Database>> create(const std::string& url, unsigned connections);
    ~Database();

    /// Runs `work` in a transaction that writes. Error: `work`'s own, or `where` is "store": the
    /// database refused or is away, and then nothing was written, but where the connection broke in
    /// the commit nobody knows.
    Result<void> write(const Work& work);
    /// Runs `work`, which only reads, on one connection.
    Result<void> read(const Work& work);

    /// Whether the last use of the database succeeded.
    bool is_up() const { return up_; }
    bool is_sqlite() const { return sqlite_; }

  private:
    Database() = default;
    std::unique_ptr<soci::session> take();
    void give_back(std::unique_ptr<soci::session> session);
    Result<void> run(const Work& work, bool writes);
    std::unique_ptr<soci::session> connect() const;

    bool sqlite_ = false;
    std::string parameters_;
    std::mutex mutex_;
    std::condition_variable returned_;
    std::vector<std::unique_ptr<soci::session>> idle_;
    unsigned free_ = 0;      // how many more sessions may be taken
    std::mutex one_writer_;  // SQLite: waiters would poll its lock
    std::atomic<bool> up_ = true;
};

/// Whether the error is of the database itself, which may be back in a moment.
inline bool is_of_store(const Error& error) { return error.where == "store"; }

/// Seconds since 1970.
std::int64_t now();

/// The next number of a sequence, 1 and up. The row stays locked until the transaction ends, so
/// numbers are committed in their order, and who asks for what came after one misses nothing.
std::int64_t next_number(soci::session& session, std::string_view sequence);

}  // namespace keyscribe::verifier
