#include "weir/store/postgres/postgres_lease_store.h"

#include <algorithm>
#include <map>

#include "weir/store/lease_book.h"

namespace weir::store::postgres {

io::Task<Result<std::vector<LeaseGrant>>> PostgresLeaseStore::take(std::span<const LeaseTurn> turns,
                                                                   milliseconds lease, io::Cancel&) {
  if (turns.empty()) co_return std::vector<LeaseGrant>();
  co_return co_await io::offload(loop_, [this, turns, lease] { return take_now(turns, lease); });
}

Result<std::vector<LeaseGrant>> PostgresLeaseStore::take_now(std::span<const LeaseTurn> turns,
                                                             milliseconds lease) {
  std::vector<std::string_view> scopes;
  for (const LeaseTurn& turn : turns)
    scopes.push_back(turn.scope);
  // In one order, whoever asks: two calls never wait for each other in a ring.
  std::ranges::sort(scopes);
  std::vector<LeaseGrant> grants;
  TRY_VOID(db_->transact({}, [&](Transaction& t) -> Result<void> {
    grants.clear();
    TRY_VOID(
        t.run("INSERT INTO @.lease (scope, book) SELECT scope, '' FROM unnest($1::text[]) AS scope "
              "ORDER BY scope ON CONFLICT DO NOTHING",
              Params().add(scopes)));
    TRY(Rows rows,
        t.run("SELECT scope, book FROM @.lease WHERE scope = ANY($1::text[]) ORDER BY scope FOR UPDATE",
              Params().add(scopes)));
    // Behind the lock: nobody else's turn is later than this one and before it.
    TRY(Rows clock, t.run("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"));
    std::map<std::string, LeaseBook, std::less<>> books;
    for (size_t i = 0; i < rows.size(); ++i) {
      TRY(LeaseBook book, LeaseBook::parse(rows.text(i, 1)));
      books.emplace(rows.text(i, 0), std::move(book));
    }
    for (const LeaseTurn& turn : turns)
      grants.push_back(books[turn.scope].take(replica_, turn, clock.integer(0, 0), lease.count() * 1000));
    std::vector<std::string> texts;
    std::vector<std::string_view> names, views;
    for (const auto& [scope, book] : books) {
      names.push_back(scope);
      texts.push_back(book.text());
    }
    views.assign(texts.begin(), texts.end());
    TRY_VOID(
        t.run("UPDATE @.lease SET book = new.book, taken = clock_timestamp() "
              "FROM unnest($1::text[], $2::text[]) AS new (scope, book) WHERE lease.scope = new.scope",
              Params().add(names).add(views)));
    return {};
  }));
  return grants;
}

}  // namespace weir::store::postgres
