#include "weir/store/postgres/database.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <charconv>
#include <cstring>
#include <optional>
#include <tuple>

#include "weir/io/descriptor_wait.h"

namespace weir::store::postgres {

// ------------------------------------------------------------------------------------ parameters

Params& Params::add(int64_t number) {
  values_.push_back(std::to_string(number));
  return *this;
}

Params& Params::add(std::string_view text) {
  values_.emplace_back(text);
  return *this;
}

Params& Params::add(bool yes) {
  values_.emplace_back(yes ? "t" : "f");
  return *this;
}

Params& Params::add(std::span<const uint8_t> bytes) {
  std::string& text = values_.emplace_back("\\x");
  for (uint8_t b : bytes)
    fmt::format_to(std::back_inserter(text), "{:02x}", b);
  return *this;
}

Params& Params::add(std::span<const int64_t> numbers) {
  values_.push_back(fmt::format("{{{}}}", fmt::join(numbers, ",")));
  return *this;
}

Params& Params::add(std::span<const std::string_view> texts) {
  std::string& array = values_.emplace_back("{");
  for (std::string_view text : texts) {
    if (array.size() > 1) array += ',';
    array += '"';
    for (char c : text) {
      if (c == '"' || c == '\\') array += '\\';
      array += c;
    }
    array += '"';
  }
  array += '}';
  return *this;
}

// ------------------------------------------------------------------------------------------ rows

void Rows::Clear::operator()(pg_result* r) const {
  PQclear(r);
}

size_t Rows::size() const {
  return static_cast<size_t>(PQntuples(result_.get()));
}

std::string_view Rows::text(size_t row, int column) const {
  int at = static_cast<int>(row);
  return {PQgetvalue(result_.get(), at, column), static_cast<size_t>(PQgetlength(result_.get(), at, column))};
}

int64_t Rows::integer(size_t row, int column) const {
  std::string_view digits = text(row, column);
  int64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

bool Rows::null(size_t row, int column) const {
  return PQgetisnull(result_.get(), static_cast<int>(row), column) != 0;
}

Result<std::vector<uint8_t>> Rows::bytes(size_t row, int column) const {
  std::string_view hex = text(row, column);
  std::vector<uint8_t> found;
  bool good = hex.starts_with("\\x") && hex.size() % 2 == 0;
  for (size_t i = 2; good && i < hex.size(); i += 2) {
    uint8_t byte = 0;
    auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    good = error == std::errc() && end == hex.data() + i + 2;
    found.push_back(byte);
  }
  if (!good)
    return fail_internal(ErrorCode::kIo, "the database holds bytes in a form that is not known here");
  return found;
}

int64_t Rows::changed() const {
  std::string_view digits = PQcmdTuples(result_.get());
  int64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

// --------------------------------------------------------------------------------------- session

namespace {

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

Error away(std::string message) {
  Error error = internal_error(ErrorCode::kUnavailable, "PostgreSQL: " + std::move(message));
  error.retryable = true;
  return error;
}

// Classes of errors after which the same may succeed later: connection, no resources, an operator's doing
// (shutdown, statement_timeout), serialization and deadlock, a lock that was not had.
bool passes(std::string_view state) {
  for (std::string_view one : {"08", "53", "57", "40", "55P03", "25006"})
    if (state.starts_with(one)) return true;
  return false;
}

}  // namespace

// One connection. It is broken from the first call on that had no proper end.
class Session {
 public:
  static Result<std::unique_ptr<Session>> open(const Database::Options& options) {
    std::string connection(options.connection.reveal());
    // What stands before the string may be overridden by it, what stands behind it not.
    const char* keys[] = {"application_name",
                          "gssencmode",
                          "keepalives_idle",
                          "keepalives_interval",
                          "keepalives_count",
                          "tcp_user_timeout",
                          "dbname",
                          "client_encoding",
                          nullptr};
    const char* values[] = {"weir", "disable", "5", "2", "3", "10000", connection.c_str(), "UTF8", nullptr};
    std::unique_ptr<Session> session(new Session(PQconnectStartParams(keys, values, 1)));
    wipe(connection);
    if (!session->handle_) return Unexpected(away("no memory"));
    TRY_VOID(session->finish_connecting(options.connect));
    PQsetNoticeProcessor(session->handle_.get(), [](void*, const char*) {}, nullptr);
    if (PQsetnonblocking(session->handle_.get(), 1) != 0) return Unexpected(away("no memory"));
    return session;
  }

  bool broken() const { return broken_ || PQstatus(handle_.get()) != CONNECTION_OK; }
  bool idle() const { return PQtransactionStatus(handle_.get()) == PQTRANS_IDLE; }

  /// Several statements of our own text: their results do not matter.
  Result<void> simple(const std::string& sql) {
    if (PQsendQuery(handle_.get(), sql.c_str()) == 0) return Unexpected(lost());
    TRY(Rows rows, answer());
    return {};
  }

  Result<Rows> run(const std::string& sql, const Params& params) {
    std::vector<const char*> values;
    values.reserve(params.values().size());
    for (const std::string& value : params.values()) {
      if (value.size() != std::strlen(value.c_str()))
        return fail(ErrorCode::kInvalidRequest, "A text with a zero byte cannot be kept.");
      values.push_back(value.c_str());
    }
    if (PQsendQueryParams(handle_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(),
                          nullptr, nullptr, 0) == 0)
      return Unexpected(lost());
    return answer();
  }

  /// Whether a COMMIT committed: in a transaction that failed it answers ROLLBACK, and that is no error to
  /// libpq.
  Result<void> commit() {
    if (PQsendQuery(handle_.get(), "COMMIT") == 0) return Unexpected(unknown(lost()));
    auto rows = answer();
    if (!rows) return Unexpected(broken() ? unknown(std::move(rows).error()) : std::move(rows).error());
    if (std::string_view(PQcmdStatus(rows->result_.get())) != "COMMIT")
      return fail_internal(ErrorCode::kIo,
                           "PostgreSQL: a statement of the transaction failed, it was undone");
    return {};
  }

  void set_patience(Duration patience) { patience_ = patience; }

 private:
  struct Finish {
    void operator()(pg_conn* c) const { PQfinish(c); }
  };
  explicit Session(pg_conn* handle) : handle_(handle) {}

  Result<void> finish_connecting(Duration bound) {
    pg_conn* c = handle_.get();
    PostgresPollingStatusType next =
        PQstatus(c) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
      if (next == PGRES_POLLING_FAILED) return Unexpected(lost());
      auto readiness = next == PGRES_POLLING_WRITING ? io::Readiness::kWrite : io::Readiness::kRead;
      if (!io::wait_for_descriptor(PQsocket(c), readiness, bound)) {
        broken_ = true;
        return Unexpected(away(fmt::format("no connection within {} ms",
                                           std::chrono::duration_cast<milliseconds>(bound).count())));
      }
      next = PQconnectPoll(c);
    }
    return {};
  }

  // Sends what waits, then reads to the end of the answer; the last result counts, the first error more.
  Result<Rows> answer() {
    pg_conn* c = handle_.get();
    for (;;) {
      int unsent = PQflush(c);
      if (unsent < 0) return Unexpected(lost());
      if (unsent == 0) break;
      // A server that does not read because it wants to be read first.
      if (!io::wait_for_descriptor(PQsocket(c), io::Readiness::kWrite, patience_))
        return Unexpected(silent());
      if (PQconsumeInput(c) == 0) return Unexpected(lost());
    }
    Rows last(nullptr);
    std::optional<Error> first_error;
    for (;;) {
      while (PQisBusy(c) != 0) {
        if (!io::wait_for_descriptor(PQsocket(c), io::Readiness::kRead, patience_))
          return Unexpected(silent());
        if (PQconsumeInput(c) == 0) return Unexpected(lost());
      }
      Rows rows(PQgetResult(c));
      if (!rows.result_) break;
      ExecStatusType status = PQresultStatus(rows.result_.get());
      if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && !first_error)
        first_error = refused(rows.result_.get());
      last = std::move(rows);
      if (PQstatus(c) != CONNECTION_OK) break;
    }
    if (first_error) return Unexpected(*std::move(first_error));
    if (!last.result_) return Unexpected(lost());
    return last;
  }

  // The primary message and the code: DETAIL and CONTEXT may hold what is stored.
  Error refused(const pg_result* result) const {
    auto field = [&](int which) {
      const char* text = PQresultErrorField(result, which);
      return std::string_view(text ? text : "");
    };
    std::string_view state = field(PG_DIAG_SQLSTATE), primary = field(PG_DIAG_MESSAGE_PRIMARY);
    if (state.empty()) return away(without_password(first_line(PQresultErrorMessage(result))));
    std::string text = fmt::format("{} ({})", first_line(primary), state);
    if (passes(state)) return away(std::move(text));
    return internal_error(ErrorCode::kIo, "PostgreSQL: " + text);
  }
  Error lost() {
    broken_ = true;
    return away(without_password(first_line(PQerrorMessage(handle_.get()))));
  }
  Error silent() {
    broken_ = true;
    return away(
        fmt::format("no answer within {} ms", std::chrono::duration_cast<milliseconds>(patience_).count()));
  }
  static Error unknown(Error error) {
    error.message += "; it is not known whether the change was kept";
    return error;
  }

  // libpq names hosts, users and databases, never the password. A string that is put together wrongly (an '@'
  // that is not written as %40) can make it take a part of the password for a host: such a text is not passed
  // on.
  std::string without_password(std::string text) const {
    const char* password = PQpass(handle_.get());
    std::string_view host = PQhost(handle_.get()) ? PQhost(handle_.get()) : "";
    bool shows = password && *password != '\0' && text.find(password) != std::string::npos;
    if (shows || host.find('@') != host.npos || text.empty()) return "cannot connect";
    return text;
  }

  std::unique_ptr<pg_conn, Finish> handle_;
  Duration patience_ = seconds(7);
  bool broken_ = false;
};

// ----------------------------------------------------------------------------------- transaction

std::string in_schema(std::string_view sql, std::string_view schema) {
  std::string whole;
  for (size_t at = 0;;) {
    size_t mark = sql.find("@.", at);
    whole += sql.substr(at, mark - at);
    if (mark == sql.npos) return whole;
    whole += fmt::format("\"{}\".", schema);
    at = mark + 2;
  }
}

Result<Rows> Transaction::run(std::string_view sql, const Params& params) {
  return session_.run(in_schema(sql, schema_), params);
}

Result<void> Transaction::limit_to(std::string_view tenant) {
  if (tenant.empty()) tenant = kEveryTenant;
  if (tenant == tenant_) return {};
  TRY(Rows done, run("SELECT set_config('weir.tenant', $1, true)", Params().add(tenant)));
  tenant_ = tenant;
  return {};
}

// -------------------------------------------------------------------------------------- database

Result<std::shared_ptr<Database>> Database::create(Options options) {
  std::string connection(options.connection.reveal());
  char* problem = nullptr;
  PQconninfoOption* parsed = PQconninfoParse(connection.c_str(), &problem);
  wipe(connection);
  bool good = parsed != nullptr;
  for (PQconninfoOption* one = parsed; one && one->keyword; ++one)
    if (one->val && std::string_view(one->keyword) == "host" && std::strchr(one->val, '@')) good = false;
  PQconninfoFree(parsed);
  if (problem) PQfreemem(problem);  // it may quote a part of the password
  if (!good)
    return fail_internal(
        ErrorCode::kConfig,
        "shared.postgres is no connection string: postgresql://USER:PASSWORD@HOST/DATABASE with "
        "%40 and the like for special characters, or \"host=... user=... password=...\"");
  return std::shared_ptr<Database>(new Database(std::move(options)));
}

Database::~Database() {
  for (auto& slot : kept_)
    std::unique_ptr<Session> last(slot.exchange(nullptr));
}

Result<std::unique_ptr<Session>> Database::connect() {
  connections_.fetch_add(1, std::memory_order_relaxed);
  return Session::open(options_);
}

std::unique_ptr<Session> Database::take() {
  for (auto& slot : kept_)
    if (Session* kept = slot.exchange(nullptr, std::memory_order_acq_rel))
      return std::unique_ptr<Session>(kept);
  return nullptr;
}

void Database::give(std::unique_ptr<Session> session) {
  if (session->broken() || !session->idle()) return;
  for (auto& slot : kept_) {
    Session* none = nullptr;
    if (!slot.compare_exchange_strong(none, session.get(), std::memory_order_acq_rel)) continue;
    [[maybe_unused]] Session* lent = session.release();
    return;
  }
}

// `began`: the server has answered, so the work may have been seen by it.
Result<void> Database::attempt(Session& session, const How& how, const Work& work, bool& began) {
  Duration bound = how.statement > Duration{0} ? how.statement : options_.statement;
  session.set_patience(bound + seconds(2));
  TRY_VOID(session.simple(fmt::format("BEGIN ISOLATION LEVEL {}; SET LOCAL statement_timeout = {}",
                                      how.one_moment ? "REPEATABLE READ READ ONLY" : "READ COMMITTED",
                                      std::chrono::duration_cast<milliseconds>(bound).count())));
  began = true;
  Transaction transaction(session, options_.schema, "");
  Result<void> done = transaction.limit_to(how.tenant);
  if (done) done = work(transaction);
  if (done) return session.commit();
  if (!session.broken())
    std::ignore = session.simple("ROLLBACK");  // where it fails the connection is not kept
  return done;
}

Result<void> Database::transact(const How& how, const Work& work) {
  if (auto kept = take()) {
    bool began = false;
    Result<void> done = attempt(*kept, how, work, began);
    bool again = !done && !began && kept->broken();
    give(std::move(kept));
    if (!again) return done;
  }
  TRY(auto fresh, connect());
  bool began = false;
  Result<void> done = attempt(*fresh, how, work, began);
  give(std::move(fresh));
  return done;
}

Result<Rows> Database::read(std::string_view sql, const Params& params) {
  std::string text = in_schema(sql, options_.schema);
  if (auto kept = take()) {
    kept->set_patience(options_.statement + seconds(2));
    Result<Rows> rows = kept->run(text, params);
    bool again = !rows && kept->broken();
    give(std::move(kept));
    if (!again) return rows;
  }
  TRY(auto fresh, connect());
  Result<Rows> rows = fresh->run(text, params);
  give(std::move(fresh));
  return rows;
}

}  // namespace weir::store::postgres
