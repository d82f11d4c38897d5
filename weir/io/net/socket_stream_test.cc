#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "weir/io/net/test_loop.h"

namespace weir::io::net {
namespace {

using StreamPtr = std::unique_ptr<Stream>;

// Two ends of one connection on one loop, over TCP or a Unix socket.
struct Ends {
  StreamPtr client, server;
};

class Accepting {
 public:
  Accepting(Loop& loop, const Address& at, Network::ListenOptions options = {}) {
    auto made = loop.network().listen(at, options, [this](StreamPtr s) {
      accepted_.push_back(std::move(s));
      event_.notify();
    });
    EXPECT_TRUE(made) << made.error().message;
    if (made) listener_ = std::move(*made);
  }
  Address local() const { return listener_->local(); }
  Task<StreamPtr> next(Cancel& cancel) {
    while (accepted_.empty())
      co_await event_.wait(cancel);
    StreamPtr first = std::move(accepted_.front());
    accepted_.erase(accepted_.begin());
    co_return first;
  }

 private:
  std::unique_ptr<Listener> listener_;
  std::vector<StreamPtr> accepted_;
  Event event_;
};

std::string temporary_directory(Loop& loop) {
  auto made = loop.disk().make_temporary_directory("weir-net-test");
  EXPECT_TRUE(made);
  return made.value_or("");
}

Task<Ends> connected(Loop& loop, const Address& at, Cancel& cancel) {
  Accepting accepting(loop, at);
  auto client = co_await loop.network().connect(accepting.local(), {}, cancel);
  WEIR_ASSERT(client);
  Ends ends{std::move(*client), nullptr};
  ends.server = co_await accepting.next(cancel);
  co_return ends;
}

Task<std::string> read_all(Stream& stream, size_t bytes, Cancel& cancel) {
  std::string all;
  std::vector<char> buffer(16 * 1024);
  while (all.size() < bytes) {
    IoResult r = co_await read(stream, buffer, cancel);
    if (!r.ok()) break;
    all.append(buffer.data(), r.bytes);
  }
  co_return all;
}

// Each test runs over both kinds of socket.
class SocketStreamTest : public ::testing::TestWithParam<Address::Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Address::Kind::kUnix) {
      directory_ = temporary_directory(loop_.loop());
      at_ = {Address::Kind::kUnix, directory_ + "/socket", 0};
    } else {
      at_ = {Address::Kind::kTcp, "127.0.0.1", 0};
    }
  }
  void TearDown() override {
    if (!directory_.empty()) loop_.loop().disk().remove(directory_);
  }
  TestLoop loop_;
  std::string directory_;
  Address at_;
  Cancel cancel_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, SocketStreamTest,
                         ::testing::Values(Address::Kind::kTcp, Address::Kind::kUnix),
                         [](const auto& i) { return i.param == Address::Kind::kTcp ? "Tcp" : "Unix"; });

TEST_P(SocketStreamTest, CarriesBytesBothWaysAndEndsInOrder) {
  static auto body = [](SocketStreamTest& t, Loop& loop, Address at, Cancel& cancel) -> Task<void> {
    (void)t;
    Ends ends = co_await connected(loop, at, cancel);
    std::array<std::string_view, 4> pieces{"hello", "", " ", "world"};
    IoResult w = co_await write(*ends.client, pieces, cancel);
    EXPECT_EQ(w.status, IoStatus::kOk);
    EXPECT_EQ(w.bytes, 11u);
    EXPECT_EQ(co_await read_all(*ends.server, 11, cancel), "hello world");
    std::array<std::string_view, 1> answer{"yes"};
    co_await write(*ends.server, answer, cancel);
    EXPECT_EQ(co_await read_all(*ends.client, 3, cancel), "yes");
    EXPECT_EQ(ends.server->peer(), at.kind == Address::Kind::kUnix ? "unix" : "127.0.0.1");
    ends.client.reset();
    std::array<char, 8> buffer;
    IoResult r = co_await read(*ends.server, buffer, cancel);
    EXPECT_EQ(r.status, IoStatus::kEof);
  };
  loop_.run(body(*this, loop_.loop(), at_, cancel_));
}

}  // namespace
}  // namespace weir::io::net
