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

    /// Runs `work` in a transaction that writes. Error: `work`'s own; `where` is "store": the
    /// database is away or full, and then nothing was written, but where the connection broke in
    /// the commit nobody knows; or "statement": it refuses what this program asks.
    Result<void> write(const Work& work);
    /// Runs `work`, which only reads, in a transaction.
    Result<void> read(const Work& work);
    /// Runs `work`, which is one statement that reads: without a transaction PostgreSQL is asked
    /// once in the place of three times.
    Result<void> look(const Work& work);

    /// Whether the last use of the database succeeded.
    bool is_up() const { return up_; }
    /// How often it did not, by the cause.
    struct Failures {
        std::atomic<std::uint64_t> away = 0, full = 0, statement = 0;
    };
    const Failures& failures() const { return failures_; }
    bool is_sqlite() const { return sqlite_; }

  private:
    Database() = default;
    std::unique_ptr<soci::session> take();
    void give_back(std::unique_ptr<soci::session> session);
    Result<void> run(const Work& work, const char* begin);
    std::unexpected<Error> refuse(const std::exception& error, bool connected);
    std::unique_ptr<soci::session> connect() const;

    bool sqlite_ = false;
    std::string parameters_;
    std::mutex mutex_;
    std::condition_variable returned_;
    std::vector<std::unique_ptr<soci::session>> idle_;
    unsigned free_ = 0;      // how many more sessions may be taken
    std::mutex one_writer_;  // SQLite: waiters would poll its lock
    std::atomic<bool> up_ = true;
    Failures failures_;
};

/// Whether the error is of the database itself, which may be back in a moment.
inline bool is_of_store(const Error& error) { return error.where == "store"; }
/// Whether it is of a statement that the database will never take: a fault of this program, or a
/// row that another process wrote first.
inline bool is_of_statement(const Error& error) { return error.where == "statement"; }

/// Seconds since 1970.
std::int64_t now();
/// A time that does not come.
inline constexpr std::int64_t kNever = INT64_C(9999999999);

/// The next number of a sequence, 1 and up. The row stays locked until the transaction ends, so
/// numbers are committed in their order, and who asks for what came after one misses nothing.
std::int64_t next_number(soci::session& session, std::string_view sequence);

}  // namespace keyscribe::verifier
