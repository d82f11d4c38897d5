// What is kept, for whom, and for how long.
#include "weir/store/sqlite/sqlite_response_store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace weir::store::sqlite {
namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/weir-responses-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/responses.db"; }
  std::string path;
};

KeptResponse response(std::string owner, std::string id, int64_t created, size_t bytes = 10) {
  return {std::move(id), std::move(owner), created, "[]", std::string(bytes, 'x')};
}

std::unique_ptr<SqliteResponseStore> opened(const Folder& folder) {
  auto store = SqliteResponseStore::open({.path = folder.file(), .vfs = {}});
  EXPECT_TRUE(store) << store.error().message;
  return std::move(*store);
}

TEST(ResponseStore, KeepsForTheOwnerAlone) {
  Folder folder;
  auto store = opened(folder);
  ASSERT_TRUE(store->put({"resp_1", "key a", 7, "[1]", "{\"id\":\"resp_1\"}"}));
  auto mine = store->find("key a", "resp_1");
  ASSERT_TRUE(mine && *mine);
  EXPECT_EQ((*mine)->input, "[1]");
  EXPECT_EQ((*mine)->body, "{\"id\":\"resp_1\"}");
  EXPECT_EQ((*mine)->created_unix_ns, 7);
  for (std::string other : {"key b", "address a", "", "key A"})
    EXPECT_FALSE(store->find(other, "resp_1")->has_value()) << other;
  EXPECT_FALSE(store->find("key a", "resp_2")->has_value());
  EXPECT_FALSE(*store->remove("key b", "resp_1"));
  EXPECT_TRUE(store->find("key a", "resp_1")->has_value());
  EXPECT_TRUE(*store->remove("key a", "resp_1"));
  EXPECT_FALSE(*store->remove("key a", "resp_1"));
  EXPECT_FALSE(store->find("key a", "resp_1")->has_value());
}

TEST(ResponseStore, OutlivesItsProcess) {
  Folder folder;
  ASSERT_TRUE(opened(folder)->put(response("o", "resp_1", 1)));
  EXPECT_TRUE(opened(folder)->find("o", "resp_1")->has_value());
}

TEST(ResponseStore, LetsGoByAgeThenBySize) {
  Folder folder;
  auto store = opened(folder);
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(store->put(response("o", "resp_" + std::to_string(i), i, 1000)));
  EXPECT_EQ(*store->expire(WallTime{3}, 1 << 20), 3u);
  EXPECT_FALSE(store->find("o", "resp_2")->has_value());
  EXPECT_TRUE(store->find("o", "resp_3")->has_value());
  EXPECT_EQ(*store->expire(WallTime{0}, 3500), 4u);  // three of about 1,010 bytes fit
  EXPECT_FALSE(store->find("o", "resp_6")->has_value());
  EXPECT_TRUE(store->find("o", "resp_7")->has_value());
  EXPECT_EQ(*store->expire(WallTime{0}, 3500), 0u);
}

TEST(ResponseStore, WhatIsRemovedIsGoneFromTheFile) {
  Folder folder;
  {
    auto store = opened(folder);
    KeptResponse secret = response("o", "resp_1", 1);
    secret.body = "a-marker-that-must-vanish";
    ASSERT_TRUE(store->put(secret));
    ASSERT_TRUE(*store->remove("o", "resp_1"));
  }
  std::ifstream file(folder.file(), std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  EXPECT_FALSE(bytes.empty());
  EXPECT_FALSE(bytes.contains("a-marker-that-must-vanish"));
}

TEST(ResponseStore, LeavesOtherFilesAlone) {
  Folder folder;
  {
    auto db = Database::open({.path = folder.file(), .vfs = {}});
    ASSERT_TRUE(db);
    ASSERT_TRUE((*db)->execute("CREATE TABLE t (x)"));
  }
  EXPECT_FALSE(SqliteResponseStore::open({.path = folder.file(), .vfs = {}}));
}

}  // namespace
}  // namespace weir::store::sqlite
