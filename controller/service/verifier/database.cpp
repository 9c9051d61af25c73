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

std::unexpected<Error> store_error(const std::exception& error) {
    std::string what = error.what();
    if (const auto line = what.find('\n'); line != what.npos) what.resize(line);
    return fail("the database: " + what, "store");
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
        made->parameters_ = url;
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

Result<void> Database::write(const Work& work) {
    std::unique_lock<std::mutex> alone;
    if (sqlite_) alone = std::unique_lock(one_writer_);
    return run(work, true);
}

Result<void> Database::read(const Work& work) { return run(work, false); }

Result<void> Database::run(const Work& work, bool writes) {
    SessionPtr session = take();
    Result<void> done;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        bool fresh = false, began = false;
        try {
            if (!session) fresh = true, session = connect();
            // SQLite takes the lock at once: to take it later fails where somebody else wrote
            // since.
            *session << (!sqlite_ || !writes ? "begin" : "begin immediate");
            began = true;
            done = work(*session);
            *session << (done ? "commit" : "rollback");
            up_ = true;
            break;
        } catch (const soci::soci_error& error) {
            done = store_error(error);
            const bool again = began ? is_conflict(error) : !fresh;
            try {
                // After an error PostgreSQL takes nothing but this; what takes it goes on.
                if (!began) throw;
                *session << "rollback";
            } catch (const std::exception&) {
                session.reset();
                up_ = again && up_;
            }
            if (!again) break;
        } catch (const std::exception& error) {
            done = store_error(error);
            session.reset();
            break;
        }
    }
    give_back(std::move(session));
    return done;
}

}  // namespace keyscribe::verifier
