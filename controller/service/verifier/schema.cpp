// SPDX-License-Identifier: Apache-2.0
#include "controller/service/verifier/schema.h"

#include <soci/soci.h>

#include <vector>

namespace keyscribe::verifier {
namespace {

// A row of `hosts` is written at each visit, so that it is small and none of the columns that
// change is in an index: PostgreSQL then writes the row alone (a heap-only tuple). What changes
// with a list only lies in `snapshots` and `list_chunks`.
const std::vector<std::vector<const char*>>& migrations() {
    static const std::vector<std::vector<const char*>> all = {
        {
            "create table meta (name varchar(40) primary key, value bigint not null)",
            "insert into meta (name, value) values ('basis_epoch', 1)",
            "create table sequences (name varchar(40) primary key, value bigint not null)",
            "insert into sequences (name, value) values ('changes', 0)",
            "insert into sequences (name, value) values ('outbox', 0)",
            "create table secrets (tenant varchar(64) not null, name varchar(40) not null, "
            "value text not null, created bigint not null, primary key (tenant, name))",
            "create table tokens (tenant varchar(64) not null, digest varchar(64) not null, "
            "role varchar(16) not null, grp varchar(64) not null, label text not null, "
            "created bigint not null, expires bigint not null, primary key (tenant, digest))",
            "create table hosts (tenant varchar(64) not null, id varchar(64) not null, "
            "name varchar(253) not null, grp varchar(64) not null, ek text not null, "
            "ak varchar(64) not null, ak_key text not null, accepted_by text not null, "
            "enrolled bigint not null, revision bigint not null, generation bigint not null, "
            "verdict varchar(16) not null, verdict_since bigint not null, silent integer not null, "
            "last_seen bigint not null, deadline bigint not null, reset_count bigint not null, "
            "restart_count bigint not null, clock bigint not null, boot_id varchar(64) not null, "
            "entries bigint not null, list_bytes bigint not null, ima_entries bigint not null, "
            "ima_bytes bigint not null, fingerprint varchar(64) not null, "
            "basis varchar(64) not null, judge_again bigint not null, "
            "last_nonce varchar(64) not null, refused bigint not null, primary key (tenant, id))",
            "create unique index hosts_ak on hosts (tenant, ak)",
            "create table snapshots (tenant varchar(64) not null, host varchar(64) not null, "
            "state text not null, shell text not null, nonce varchar(64) not null, "
            "taken bigint not null, summary text not null, primary key (tenant, host))",
            "create table list_chunks (tenant varchar(64) not null, host varchar(64) not null, "
            "generation bigint not null, kind varchar(8) not null, number bigint not null, "
            "data text not null, primary key (tenant, host, generation, kind, number))",
            "create table enrolments (tenant varchar(64) not null, id varchar(64) not null, "
            "host varchar(64) not null, name varchar(253) not null, grp varchar(64) not null, "
            "ek text not null, ek_trust text not null, ak varchar(64) not null, "
            "ak_key text not null, credential varchar(64) not null, state varchar(16) not null, "
            "reason text not null, created bigint not null, expires bigint not null, "
            "primary key (tenant, id))",
            "create index enrolments_state on enrolments (tenant, state, created)",
            "create table reference_files (tenant varchar(64) not null, id varchar(64) not null, "
            "grp varchar(64) not null, kind varchar(16) not null, name text not null, "
            "keyring text not null, valid_from bigint not null, valid_until bigint not null, "
            "who text not null, added bigint not null, why text not null, content text not null, "
            "primary key (tenant, id))",
            "create index reference_files_group on reference_files (tenant, grp)",
            "create table changes (tenant varchar(64) not null, number bigint not null, "
            "host varchar(64) not null, at bigint not null, kind varchar(32) not null, "
            "former text not null, latter text not null, detail text not null, "
            "primary key (tenant, number))",
            "create index changes_host on changes (tenant, host, number)",
            "create table trusted_keys (tenant varchar(64) not null, fingerprint varchar(64) not "
            "null, "
            "public_key varchar(64) not null, subject text not null, issuer text not null, "
            "signer varchar(64) not null, first_seen bigint not null, first_host varchar(64) not "
            "null, "
            "certificate text not null, primary key (tenant, fingerprint))",
            "create index trusted_keys_seen on trusted_keys (tenant, first_seen)",
            "create table host_keys (tenant varchar(64) not null, host varchar(64) not null, "
            "keyring text not null, fingerprint varchar(64) not null, since bigint not null, "
            "until bigint not null, primary key (tenant, host, keyring, fingerprint, since))",
            "create index host_keys_fingerprint on host_keys (tenant, fingerprint)",
            "create table outbox (tenant varchar(64) not null, number bigint not null, "
            "url text not null, event text not null, attempts bigint not null, "
            "next_try bigint not null, problem text not null, primary key (tenant, number))",
        },
        // Empty: as a program that did not have them left it. The list has all of it.
        {"alter table snapshots add column records text not null default ''"},
        {
            // Which token an enrolment came by: the digest's first digits, as `tokens list` has it.
            "alter table enrolments add column token varchar(64) not null default ''",
            "create index enrolments_token on enrolments (tenant, token, state)",
            "create index enrolments_host on enrolments (tenant, host, created)",
            "create table session_results (tenant varchar(64) not null, nonce varchar(64) not "
            "null, result text not null, expires bigint not null, primary key (tenant, nonce))",
        },
        // When another verdict may be due by the clock alone; until it is judged again: never.
        {"alter table hosts add column verdict_until bigint not null default 9999999999",
         "create index hosts_verdict_until on hosts (tenant, verdict_until)",
         "create index outbox_url on outbox (tenant, url, number)",
         // For deadlines: when a process last looked at them, and until when none counts.
         "insert into meta (name, value) values ('deadlines_looked_at', 0)",
         "insert into meta (name, value) values ('deadlines_wait_until', 0)"},
    };
    return all;
}

/// The number of the schema that is there; 0: none.
Result<void> migrate_once(soci::session& session) {
    session << "create table if not exists schema_migrations "
               "(number integer primary key, applied bigint not null)";
    int there = 0;
    soci::indicator none = soci::i_null;
    session << "select max(number) from schema_migrations", soci::into(there, none);
    if (none == soci::i_null) there = 0;
    if (there > schema_version())
        return fail("the database has schema " + std::to_string(there) +
                        ", and this program knows " + std::to_string(schema_version()),
                    "schema", "it belongs to a newer keyscribe-verifier: run that one");
    for (int number = there + 1; number <= schema_version(); ++number) {
        // First: of two processes that start at once, the second waits here for the first.
        const long long applied = now();
        session << "insert into schema_migrations (number, applied) values (:number, :applied)",
            soci::use(number), soci::use(applied);
        for (const char* statement : migrations()[static_cast<std::size_t>(number - 1)])
            session << statement;
    }
    return {};
}

}  // namespace

int schema_version() { return static_cast<int>(migrations().size()); }

Result<void> migrate(Database& database) {
    // The second process fails once, since the first one's row is there, and then finds it.
    Result<void> done;
    for (int attempt = 0; attempt < 3; ++attempt)
        if (done = database.write(migrate_once);
            done || (!is_of_store(done.error()) && !is_of_statement(done.error())))
            break;
    return done;
}

}  // namespace keyscribe::verifier
