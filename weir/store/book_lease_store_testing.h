// For tests: the rules of leases (lease_book.h) as a store in memory.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "weir/io/loop.h"
#include "weir/store/lease_book.h"
#include "weir/store/lease_store.h"

namespace weir::store {

using LeaseBooks = std::map<std::string, LeaseBook>;  // by scope

class BookLeaseStore final : public LeaseStore {
 public:
  BookLeaseStore(io::Loop& loop, LeaseBooks& books, std::string replica)
      : loop_(loop), books_(books), replica_(std::move(replica)) {}
  io::Task<Result<std::vector<LeaseGrant>>> take(std::span<const LeaseTurn> turns, milliseconds lease,
                                                 io::Cancel&) override {
    std::vector<LeaseGrant> grants;
    for (const LeaseTurn& turn : turns) {
      // As an adapter without code of its own in the store: the account is a text between two turns.
      auto book = LeaseBook::parse(books_[turn.scope].text());
      EXPECT_TRUE(book);
      grants.push_back(book->take(replica_, turn, loop_.now().ns / 1000, lease.count() * 1000));
      books_[turn.scope] = *book;
    }
    co_return grants;
  }

 private:
  io::Loop& loop_;
  LeaseBooks& books_;
  const std::string replica_;
};

}  // namespace weir::store
