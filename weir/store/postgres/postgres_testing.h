// For tests: a real PostgreSQL and pgbouncer (tests/database_server.py), one for the whole program, and a
// schema of its own for each test.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "weir/base/assert.h"
#include "weir/store/postgres/database.h"
#include "weir/store/postgres/migrations.h"

namespace weir::store::postgres {

class TestServer {
 public:
  /// Of this program; started when it is first asked for. It is missing where its packages are.
  static TestServer& get() {
    static TestServer server;
    return server;
  }
  enum class Way { kDirect, kPooled, kSuperuser };
  Secret connection(Way way) const { return Secret(std::string_view(strings_[static_cast<size_t>(way)])); }

  /// stop, start, stop-pool, start-pool, sql TEXT.
  void tell(std::string_view command) {
    ASSERT_EQ(std::fprintf(to_, "%.*s\n", static_cast<int>(command.size()), command.data()),
              static_cast<int>(command.size()) + 1);
    std::fflush(to_);
    EXPECT_EQ(line(), "ok") << command;
  }
  static std::string new_schema() {
    static int made = 0;
    return "test_" + std::to_string(++made);
  }
  std::shared_ptr<Database> open(Way way, const std::string& schema) const {
    auto db = Database::create({.connection = connection(way), .schema = schema});
    EXPECT_TRUE(db) << db.error().message;
    return *std::move(db);
  }

 private:
  TestServer() {
    std::array<int, 2> in{}, out{};
    WEIR_ASSERT(pipe2(in.data(), O_CLOEXEC) == 0 && pipe2(out.data(), O_CLOEXEC) == 0);
    std::string script(__FILE__);
    script = script.substr(0, script.rfind("weir/store/")) + "tests/database_server.py";
    child_ = fork();
    WEIR_ASSERT(child_ >= 0);
    if (child_ == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      execlp("python3", "python3", script.c_str(), nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_ = fdopen(in[1], "w");
    from_ = fdopen(out[0], "r");
    std::string json = line();
    for (size_t i = 0; i < strings_.size(); ++i) {
      std::string key = std::string("\"") + std::array{"direct", "pooled", "superuser"}[i] + "\": \"";
      size_t at = json.find(key);
      if (at == json.npos) {
        ADD_FAILURE() << "no database server: " << json;
        return;
      }
      at += key.size();
      strings_[i] = json.substr(at, json.find('"', at) - at);
    }
  }
  ~TestServer() {
    std::fclose(to_);
    waitpid(child_, nullptr, 0);
    std::fclose(from_);
  }
  std::string line() {
    std::string text;
    for (int c = std::fgetc(from_); c != EOF && c != '\n'; c = std::fgetc(from_))
      text += static_cast<char>(c);
    return text;
  }

  pid_t child_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  std::array<std::string, 3> strings_;
};

/// A migrated schema, reached one way.
template <TestServer::Way kWay>
struct TestSchema {
  std::shared_ptr<Database> open() const {
    auto db = TestServer::get().open(kWay, schema);
    auto done = migrate(*db);
    EXPECT_TRUE(done) << done.error().message;
    return db;
  }
  std::string schema = TestServer::new_schema();
};

}  // namespace weir::store::postgres
