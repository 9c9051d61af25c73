// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/database.h"

#include <fcntl.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>

#include <ctime>

#include "controller/base/unique_fd.h"

namespace keyscribe::verifier {
namespace {

using SessionPtr = std::unique_ptr<soci::session>;

/// How often a transaction is tried that PostgreSQL gave up for the sake of another one.
constexpr int kAttempts = 5;

/// What kept the database from its work.
enum class Cause {
    kAway,       ///< it, its disk or the connection: it may be back
    kFull,       ///< no room where it writes
    kStatement,  ///< it refuses a statement of this program's, and waiting mends nothing
};

/// SQLSTATE of PostgreSQL, appendix A of its manual; blank where the connection broke.
Cause cause_of_state(std::string_view state) {
    if (state == "53100" || state == "53200") return Cause::kFull;  // disk_full, out_of_memory
    // Connection, insufficient resources, an operator's intervention, the system, a standby that is
    // not the primary any more, a rollback for the sake of another transaction.
    for (const std::string_view one : {"08", "53", "57", "58", "25006", "40", "XX", " "})
        if (state.starts_with(one)) return Cause::kAway;
    return state.empty() ? Cause::kAway : Cause::kStatement;
}

/// Result codes of SQLite.
Cause cause_of_result(int result) {
    constexpr int kError = 1, kFull = 13, kConstraint = 19, kMismatch = 20, kMisuse = 21;
    constexpr int kTooBig = 18, kRange = 25;
    switch (result & 0xff) {
        case kFull:
            return Cause::kFull;
        case kError:
        case kTooBig:
        case kConstraint:
        case kMismatch:
        case kMisuse:
        case kRange:
            return Cause::kStatement;
        default:
            return Cause::kAway;
    }
}

Cause cause_of(const std::exception& error) {
    if (const auto* one = dynamic_cast<const soci::postgresql_soci_error*>(&error))
        return cause_of_state(one->sqlstate());
    if (const auto* one = dynamic_cast<const soci::sqlite3_soci_error*>(&error))
        return cause_of_result(one->result());
    return Cause::kStatement;
}

bool is_conflict(const soci::soci_error& error) {
    const auto* of_postgresql = dynamic_cast<const soci::postgresql_soci_error*>(&error);
    if (of_postgresql == nullptr) return false;
    const std::string state = of_postgresql->sqlstate();
    return state == "40001" || state == "40P01";  // serialization_failure, deadlock_detected
}

/// Keys of the service lie in it, and SQLite would make it as the umask has it. The two files
/// beside it get the mode of this one. One that cannot be made is waited for later.
Result<void> make_private(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (file && ::fchmod(file.get(), 0600) != 0)
        return fail_errno("cannot keep others from reading the database", path,
                          "start keyscribe-verifier as the user whose file it is");
    return {};
}

/// PostgreSQL 15's manual, 34.1.2: with libpq's own values a network that swallows what is sent
/// keeps each worker waiting for a quarter of an hour and more. What the URL sets itself stands.
std::string with_timeouts(std::string url) {
    for (const std::string parameter :
         {"connect_timeout=10", "keepalives_idle=10", "keepalives_interval=5", "keepalives_count=3",
          "tcp_user_timeout=20000"}) {
        if (url.contains(parameter.substr(0, parameter.find('=') + 1))) continue;
        url += (url.contains('?') ? '&' : '?') + parameter;
    }
    return url;
}

/// False: the connection is of no use any more.
bool roll_back(soci::session& session) {
    try {
        session << "rollback";
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

}  // namespace

std::int64_t now() { return std::time(nullptr); }

std::int64_t next_number(soci::session& session, std::string_view sequence) {
    const std::string name(sequence);
    long long value = 0;
    session << "update sequences set value = value + 1 where name = :name", soci::use(name);
    session << "select value from sequences where name = :name", soci::use(name), soci::into(value);
    return value;
}

Result<std::unique_ptr<Database>> Database::create(const std::string& url, unsigned connections) {
    std::unique_ptr<Database> made(new Database);
    made->sqlite_ = url.starts_with("sqlite:");
    if (made->sqlite_) {
        if (auto done = make_private(url.substr(7)); !done) return std::unexpected(done.error());
        made->parameters_ = "dbname=" + url.substr(7) + " timeout=20";
    } else if (url.starts_with("postgresql://") || url.starts_with("postgres://"))
        made->parameters_ = with_timeouts(url);
    else
        return fail("\"" + url + "\" is neither \"sqlite:PATH\" nor \"postgresql://...\"",
                    "[store] url");
    made->free_ = connections;
    return made;
}

Database::~Database() = default;

SessionPtr Database::connect() const {
    if (!sqlite_) {
        auto session = std::make_unique<soci::session>(soci::postgresql, parameters_);
        *session << "set client_min_messages = warning";
        return session;
    }
    auto session = std::make_unique<soci::session>(soci::sqlite3, parameters_);
    std::string mode;
    *session << "pragma journal_mode = wal", soci::into(mode);
    // Outlives a power cut, at 5,800 transactions a second.
    *session << "pragma synchronous = full";
    return session;
}

/// Waits for one of the connections. Null: a new one has to be made in its place.
SessionPtr Database::take() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return free_ > 0; });
    --free_;
    if (idle_.empty()) return nullptr;
    SessionPtr session = std::move(idle_.back());
    idle_.pop_back();
    return session;
}

/// Null: it was not worth keeping.
void Database::give_back(SessionPtr session) {
    const std::lock_guard lock(mutex_);
    ++free_;
    if (session) idle_.push_back(std::move(session));
    returned_.notify_one();
}

/// `connected`: the database answered before.
std::unexpected<Error> Database::refuse(const std::exception& error, bool connected) {
    Cause cause = cause_of(error);
    if (cause == Cause::kStatement && !connected) cause = Cause::kAway;
    if (cause != Cause::kStatement) up_ = false;
    std::string what = "the database: " + std::string(error.what());
    if (const auto line = what.find('\n'); line != what.npos) what.resize(line);
    ++(cause == Cause::kFull   ? failures_.full
       : cause == Cause::kAway ? failures_.away
                               : failures_.statement);
    return fail(std::move(what), cause == Cause::kStatement ? "statement" : "store",
                cause == Cause::kFull ? "it has no room left" : "");
}

Result<void> Database::write(const Work& work) {
    std::unique_lock<std::mutex> alone;
    if (sqlite_) alone = std::unique_lock(one_writer_);
    // SQLite takes the lock at once: to take it later fails where somebody else wrote since.
    return run(work, sqlite_ ? "begin immediate" : "begin");
}

Result<void> Database::read(const Work& work) { return run(work, "begin"); }

Result<void> Database::look(const Work& work) { return run(work, nullptr); }

Result<void> Database::run(const Work& work, const char* begin) {
    SessionPtr session = take();
    Result<void> done;
    for (int attempt = 1;; ++attempt) {
        bool fresh = false, connected = false, began = false;
        try {
            if (!session) fresh = true, session = connect();
            connected = true;
            if (begin != nullptr) *session << begin, began = true;
            done = work(*session);
            if (began) *session << (done ? "commit" : "rollback");
            up_ = true;
            break;
        } catch (const std::exception& error) {
            const auto* of_soci = dynamic_cast<const soci::soci_error*>(&error);
            // Another transaction was in the way, or the connection was dead before this began.
            const bool again = of_soci != nullptr && (began ? is_conflict(*of_soci) : !fresh);
            // After an error PostgreSQL takes nothing but this; what takes it goes on.
            const bool answers = began && of_soci != nullptr && roll_back(*session);
            if (!answers) session.reset();
            if (again && attempt < kAttempts) continue;
            done = refuse(error, began ? answers : connected);
            break;
        }
    }
    give_back(std::move(session));
    return done;
}

}  // namespace keyscribe::verifier
