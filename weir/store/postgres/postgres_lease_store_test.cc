#include "weir/store/postgres/postgres_lease_store.h"

#include "weir/io/net/test_loop.h"
#include "weir/store/lease_store_testing.h"
#include "weir/store/postgres/postgres_testing.h"

namespace weir::store::postgres {
namespace {

template <TestServer::Way kWay>
struct PostgresShop {
  io::Loop& loop() { return test.loop(); }
  std::unique_ptr<LeaseStore> store(std::string replica) {
    return std::make_unique<PostgresLeaseStore>(loop(), schema.open(), std::move(replica));
  }
  void run(io::Task<void> task) { test.run(std::move(task)); }
  io::net::TestLoop test;
  TestSchema<kWay> schema;
};
using Direct = PostgresShop<TestServer::Way::kDirect>;
using Pooled = PostgresShop<TestServer::Way::kPooled>;

}  // namespace
}  // namespace weir::store::postgres

namespace weir::store {
INSTANTIATE_TYPED_TEST_SUITE_P(PostgresDirect, LeaseStoreSuite, postgres::Direct);
INSTANTIATE_TYPED_TEST_SUITE_P(PostgresPooled, LeaseStoreSuite, postgres::Pooled);
}  // namespace weir::store
