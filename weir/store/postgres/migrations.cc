#include "weir/store/postgres/migrations.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::store::postgres {
namespace {

// Texts are compared by their bytes (COLLATE "C"), as everywhere in weir: a cluster's locale orders nothing
// here. Nobody's id is "*", and the setting of a connection that said nothing is null or, after an earlier
// transaction, empty: both see nothing.
constexpr const char* kFirst = R"(
  CREATE FUNCTION @.tenant_seen(tenant text) RETURNS boolean LANGUAGE sql STABLE AS
    $$ SELECT current_setting('weir.tenant', true) = '*'
              OR tenant = nullif(current_setting('weir.tenant', true), '') $$;

  CREATE TABLE @.version (number bigint NOT NULL);
  INSERT INTO @.version VALUES (1);

  CREATE TABLE @.account (
    kind smallint NOT NULL, id text COLLATE "C" NOT NULL, tenant text COLLATE "C" NOT NULL CHECK (tenant <> '*'),
    team text COLLATE "C" NOT NULL, "user" text COLLATE "C" NOT NULL, name text NOT NULL, roles text NOT NULL,
    models text NOT NULL, limits text NOT NULL, suspended boolean NOT NULL, created bigint NOT NULL,
    expires bigint NOT NULL, revoked bigint NOT NULL, PRIMARY KEY (kind, id));
  CREATE INDEX account_tenant ON @.account (tenant, kind, id);
  ALTER TABLE @.account ENABLE ROW LEVEL SECURITY;
  ALTER TABLE @.account FORCE ROW LEVEL SECURITY;
  CREATE POLICY tenant ON @.account USING (@.tenant_seen(tenant)) WITH CHECK (@.tenant_seen(tenant));

  CREATE TABLE @.secret (
    key text COLLATE "C" NOT NULL, place integer NOT NULL, tenant text COLLATE "C" NOT NULL CHECK (tenant <> '*'),
    digest bytea NOT NULL CHECK (length(digest) = 32), pepper bigint NOT NULL, last4 text NOT NULL,
    created bigint NOT NULL, expires bigint NOT NULL, PRIMARY KEY (key, place));
  ALTER TABLE @.secret ENABLE ROW LEVEL SECURITY;
  ALTER TABLE @.secret FORCE ROW LEVEL SECURITY;
  CREATE POLICY tenant ON @.secret USING (@.tenant_seen(tenant)) WITH CHECK (@.tenant_seen(tenant));

  CREATE TABLE @.audit (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, time bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL CHECK (tenant <> '*'), actor text NOT NULL, action text COLLATE "C" NOT NULL,
    object text NOT NULL, refused boolean NOT NULL, detail text NOT NULL, request text NOT NULL, peer text NOT NULL);
  CREATE INDEX audit_tenant ON @.audit (tenant, sequence);
  ALTER TABLE @.audit ENABLE ROW LEVEL SECURITY;
  ALTER TABLE @.audit FORCE ROW LEVEL SECURITY;
  CREATE POLICY tenant ON @.audit USING (@.tenant_seen(tenant)) WITH CHECK (@.tenant_seen(tenant));
)";

// How far each replica's records are in the ledger stands beside the sums, so that both change at once.
constexpr const char* kLedger = R"(
  CREATE TABLE @.ledger (
    hour bigint NOT NULL, tenant text COLLATE "C" NOT NULL CHECK (tenant <> '*'), team text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL, "user" text COLLATE "C" NOT NULL, agent text COLLATE "C" NOT NULL,
    tag text COLLATE "C" NOT NULL, model text COLLATE "C" NOT NULL, provider text COLLATE "C" NOT NULL,
    price_version bigint NOT NULL,
    requests bigint NOT NULL, failed bigint NOT NULL, estimated bigint NOT NULL,
    input_tokens bigint NOT NULL, cached_input_tokens bigint NOT NULL, cache_write_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL, reasoning_tokens bigint NOT NULL,
    nanodollars bigint NOT NULL, input_nanodollars bigint NOT NULL, cache_read_nanodollars bigint NOT NULL,
    cache_write_nanodollars bigint NOT NULL,
    PRIMARY KEY (hour, tenant, team, key, "user", agent, tag, model, provider, price_version));
  CREATE INDEX ledger_tenant ON @.ledger (tenant, hour);
  ALTER TABLE @.ledger ENABLE ROW LEVEL SECURITY;
  ALTER TABLE @.ledger FORCE ROW LEVEL SECURITY;
  CREATE POLICY tenant ON @.ledger USING (@.tenant_seen(tenant)) WITH CHECK (@.tenant_seen(tenant));

  CREATE TABLE @.ledger_source (
    file text COLLATE "C" PRIMARY KEY, replica text NOT NULL, segment bigint NOT NULL,
    taken timestamptz NOT NULL DEFAULT clock_timestamp());
)";

// The account of a scope's limits (store/lease_book.h), changed by one replica at a time.
constexpr const char* kLeases = R"(
  CREATE TABLE @.lease (
    scope text COLLATE "C" PRIMARY KEY, book text NOT NULL,
    taken timestamptz NOT NULL DEFAULT clock_timestamp());
)";

constexpr Migration kMigrations[] = {{1, kFirst}, {1, kLedger}, {1, kLeases}};

// Long enough for another starter's whole migration.
constexpr Duration kPatience = std::chrono::minutes(2);

Result<void> check_role(Transaction& t) {
  TRY(Rows role,
      t.run("SELECT rolsuper OR rolbypassrls, current_user FROM pg_roles WHERE rolname = current_user"));
  if (!role.empty() && !role.boolean(0, 0)) return {};
  return fail_internal(
      ErrorCode::kConfig,
      fmt::format("shared.postgres: the role {} passes over row-level security (superuser or "
                  "BYPASSRLS); weir wants a role of its own without (docs/postgres.md)",
                  role.empty() ? "" : role.text(0, 1)));
}

Result<void> make_schema(Transaction& t, const std::string& schema) {
  TRY(Rows there, t.run("SELECT 1 FROM pg_namespace WHERE nspname = $1", Params().add(schema)));
  // CREATE SCHEMA IF NOT EXISTS wants the right to create one even where it is there.
  if (there.empty()) TRY_VOID(t.run(fmt::format("CREATE SCHEMA \"{}\"", schema)));
  TRY(Rows table, t.run("SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'migration'",
                        Params().add(schema)));
  if (table.empty())
    TRY_VOID(
        t.run("CREATE TABLE @.migration (number bigint PRIMARY KEY, works_from bigint NOT NULL, "
              "applied timestamptz NOT NULL DEFAULT clock_timestamp())"));
  return {};
}

// Statements of a step, one by one: what has parameters takes one only. Bodies between $$ stay whole.
std::vector<std::string> statements_of(std::string_view sql) {
  std::vector<std::string> found;
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i < sql.size(); ++i) {
    if (sql.substr(i, 2) == "$$") {
      quoted = !quoted;
      ++i;
    }
    if (sql[i] != ';' || quoted) continue;
    found.emplace_back(sql.substr(begin, i - begin));
    begin = i + 1;
  }
  return found;
}

}  // namespace

std::span<const Migration> migrations() {
  return kMigrations;
}

Result<Migrated> migrate(Database& db, std::span<const Migration> steps) {
  Migrated done;
  auto known = static_cast<int64_t>(steps.size());
  TRY_VOID(db.transact({.statement = kPatience}, [&](Transaction& t) -> Result<void> {
    done = {};
    TRY_VOID(check_role(t));
    // "weir" and the schema's name: other installations in this database do not wait for this one.
    TRY_VOID(t.run("SELECT pg_advisory_xact_lock(2003134834, hashtext($1))", Params().add(db.schema())));
    TRY_VOID(make_schema(t, db.schema()));
    TRY(Rows state,
        t.run("SELECT coalesce(max(number), 0), coalesce(max(works_from) FILTER (WHERE number > $1), 0) "
              "FROM @.migration",
              Params().add(known)));
    done.schema = state.integer(0, 0);
    int64_t works_from = state.integer(0, 1);
    if (works_from > known)
      return fail_internal(
          ErrorCode::kConfig,
          fmt::format("shared.postgres: schema \"{}\" is of a later weir (step {}, this one knows {} "
                      "and it works from {} on): not touched",
                      db.schema(), done.schema, known, works_from));
    done.later = done.schema > known;
    for (int64_t number = done.schema + 1; number <= known; ++number) {
      const Migration& step = steps[static_cast<size_t>(number - 1)];
      for (const std::string& statement : statements_of(step.sql))
        TRY_VOID(t.run(statement));
      TRY_VOID(t.run("INSERT INTO @.migration (number, works_from) VALUES ($1, $2)",
                     Params().add(number).add(step.works_from)));
      ++done.applied;
    }
    done.schema = std::max(done.schema, known);
    return {};
  }));
  return done;
}

}  // namespace weir::store::postgres
