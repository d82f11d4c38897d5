#include "weir/io/net/tls_stream.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <array>

#include "weir/io/net/test_loop.h"
#include "weir/io/net/test_network.h"

namespace weir::io::net {
namespace {

std::string drain(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

// A self-signed certificate for `names` ("DNS:a.test,IP:127.0.0.1") and its key.
TlsServerOptions make_certificate(const char* names) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("weir test"),
                             -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(certificate, key, EVP_sha256());

  TlsServerOptions options;
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(out, certificate);
  options.certificate_pem = drain(out);
  out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  options.private_key_pem = drain(out);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return options;
}

class TlsStreamTest : public ::testing::Test {
 protected:
  TlsStreamTest() {
    listen_.tls = &server_;
    connect_.tls = true;
    connect_.tls_options = {.server_name = "weir.test", .ca_pem = server_.certificate_pem};
  }
  TestLoop host_;
  Loop& loop_ = host_.loop();
  TlsServerOptions server_ = make_certificate("DNS:weir.test,DNS:*.wild.test,IP:127.0.0.1");
  Network::ListenOptions listen_;
  ConnectOptions connect_;
  Address at_{Address::Kind::kTcp, "127.0.0.1", 0};
};

Task<void> write_into(Stream& stream, const std::string& text, IoResult* into) {
  Cancel cancel;
  std::string_view whole = text;
  std::array<std::string_view, 5> pieces{whole.substr(0, 10), "", whole.substr(10, 5000),
                                         whole.substr(5010, 20'000), whole.substr(25'010)};
  *into = co_await write(stream, pieces, cancel);
}

Task<void> both_ways(Loop& loop, Address at, Network::ListenOptions listen, ConnectOptions connect) {
  Cancel cancel;
  Ends ends = co_await connected(loop, at, cancel, listen, connect);
  if (!ends.client) co_return;
  EXPECT_EQ(ends.server->peer(), "127.0.0.1");
  co_await write_text(*ends.client, "hello", cancel);
  EXPECT_EQ(co_await read_all(*ends.server, 5, cancel), "hello");
  // More than the sockets hold, both ways at once: reads and writes of one stream wait independently.
  std::string text = long_text(10'000'000);
  IoResult up, down;
  TaskGroup writers;
  writers.start(write_into(*ends.client, text, &up));
  writers.start(write_into(*ends.server, text, &down));
  EXPECT_EQ(writers.running(), 2u) << "the sockets took 10 MB at once";
  EXPECT_TRUE(co_await read_all(*ends.server, text.size(), cancel) == text);
  EXPECT_TRUE(co_await read_all(*ends.client, text.size(), cancel) == text);
  co_await writers.idle();
  EXPECT_EQ(up.bytes, text.size());
  EXPECT_EQ(down.bytes, text.size());
  ends.client.reset();
  EXPECT_EQ(co_await read_status(*ends.server, cancel), IoStatus::kEof);
}

TEST_F(TlsStreamTest, CarriesBytesBothWaysAndEndsInOrder) {
  host_.run(both_ways(loop_, at_, listen_, connect_));
}

Task<void> late_place(Loop& loop, Address at, Network::ListenOptions listen, ConnectOptions connect) {
  Cancel cancel;
  Ends ends = co_await connected(loop, at, cancel, listen, connect);
  co_await read_without_a_place(*ends.client, *ends.server, cancel);
}

TEST_F(TlsStreamTest, AReadThatWaitsNeedsNoPlace) {
  host_.run(late_place(loop_, at_, listen_, connect_));
}

Task<void> names(Loop& loop, Address at, Network::ListenOptions listen, ConnectOptions connect) {
  Cancel cancel;
  Accepting accepting(loop, at, listen);
  struct Case {
    std::string name;
    bool accepted;
  };
  for (const auto& [name, accepted] :
       {Case{"weir.test", true}, Case{"WEIR.test", true}, Case{"a.wild.test", true}, Case{"127.0.0.1", true},
        Case{"", true}, Case{"other.test", false}, Case{"a.b.wild.test", false}, Case{"127.0.0.2", false}}) {
    connect.tls_options.server_name = name;  // empty: the host of the address, 127.0.0.1
    auto stream = co_await loop.network().connect(accepting.local(), connect, cancel);
    EXPECT_EQ(stream.has_value(), accepted) << name;
    if (!stream) {
      EXPECT_EQ(stream.error().code, ErrorCode::kUpstream);
      EXPECT_NE(stream.error().message.find("mismatch"), std::string::npos) << stream.error().message;
    }
  }
}

TEST_F(TlsStreamTest, AcceptsOnlyTheNameItAskedFor) {
  host_.run(names(loop_, at_, listen_, connect_));
}

Task<void> untrusted(Loop& loop, Address at, Network::ListenOptions listen, ConnectOptions connect) {
  Cancel cancel;
  Accepting accepting(loop, at, listen);
  TlsServerOptions stranger = make_certificate("DNS:weir.test");
  for (const std::string& ca : {std::string(), stranger.certificate_pem, std::string("no certificate")}) {
    connect.tls_options.ca_pem = ca;
    auto stream = co_await loop.network().connect(accepting.local(), connect, cancel);
    EXPECT_FALSE(stream) << ca;
    if (!stream) {
      EXPECT_EQ(stream.error().code, ErrorCode::kUpstream);
    }
  }
}

TEST_F(TlsStreamTest, RefusesAnUnknownAuthority) {
  host_.run(untrusted(loop_, at_, listen_, connect_));
}

Task<void> no_tls_there(Loop& loop, Address at, ConnectOptions connect) {
  Cancel cancel;
  Accepting accepting(loop, at);
  static auto answer = [](Accepting& a, std::string_view text) -> Task<void> {
    Cancel own;
    auto stream = co_await a.next(own);
    co_await write_text(*stream, text, own);
    co_await read_status(*stream, own);
  };
  for (std::string_view text : {"HTTP/1.1 400 Bad Request\r\n\r\n", ""}) {
    TaskGroup server;
    server.start(answer(accepting, text));
    auto stream = co_await loop.network().connect(accepting.local(), connect, cancel);
    EXPECT_FALSE(stream);
    co_await server.idle();
  }
}

TEST_F(TlsStreamTest, FailsCleanlyAgainstAPlainServer) {
  host_.run(no_tls_there(loop_, at_, connect_));
}

// An attacker who cuts the TCP connection must not look like the end of the answer.
Task<void> truncated(Loop& loop, Address at, Network::ListenOptions listen, ConnectOptions connect) {
  Cancel cancel;
  Accepting inner(loop, at, listen);
  // Between client and server sits a relay that ends the connection without close_notify.
  Accepting relay(loop, at);
  static auto relayed = [](Loop& l, Accepting& from, Address to, Event& cut) -> Task<void> {
    Cancel own;
    auto client = co_await from.next(own);
    auto server = co_await l.network().connect(to, {}, own);
    static auto copy = [](Stream& a, Stream& b, Cancel& scope) -> Task<void> {
      std::array<char, 4096> buffer;
      for (;;) {
        IoResult r = co_await read(a, buffer, scope);
        if (!r.ok()) co_return;
        co_await write_text(b, {buffer.data(), r.bytes}, scope);
      }
    };
    TaskGroup copies;
    Cancel scope;
    copies.start(copy(*client, **server, scope));
    copies.start(copy(**server, *client, scope));
    co_await cut.wait(own);
    scope.request(CancelReason::kAbandoned);
    co_await copies.idle();
  };
  Event cut;
  TaskGroup group;
  group.start(relayed(loop, relay, inner.local(), cut));
  auto client = co_await loop.network().connect(relay.local(), connect, cancel);
  EXPECT_TRUE(client);
  auto server = co_await inner.next(cancel);
  co_await write_text(*server, "part", cancel);
  EXPECT_EQ(co_await read_all(**client, 4, cancel), "part");
  cut.notify();
  co_await group.idle();
  EXPECT_EQ(co_await read_status(**client, cancel), IoStatus::kReset);
  EXPECT_EQ(co_await read_status(*server, cancel), IoStatus::kReset);
  EXPECT_NE(co_await read_status(*server, cancel), IoStatus::kOk);
}

TEST_F(TlsStreamTest, AnEndWithoutCloseNotifyIsAReset) {
  host_.run(truncated(loop_, at_, listen_, connect_));
}

Task<void> cancelled(Loop& loop, Address at, Network::ListenOptions listen, ConnectOptions connect) {
  Cancel cancel;
  {
    Accepting silent(loop, at);  // never answers the handshake
    Cancel scope;
    static auto attempt = [](Loop& l, Address to, ConnectOptions o, Cancel& s,
                             ErrorCode* code) -> Task<void> {
      auto stream = co_await l.network().connect(to, o, s);
      EXPECT_FALSE(stream);
      if (!stream) *code = stream.error().code;
    };
    ErrorCode code = ErrorCode::kInternal;
    TaskGroup group;
    group.start(attempt(loop, silent.local(), connect, scope, &code));
    auto accepted = co_await silent.next(cancel);
    co_await turns(loop, 5);
    EXPECT_EQ(group.running(), 1u);
    scope.request(CancelReason::kConnectTimeout);
    co_await group.idle();
    EXPECT_EQ(code, ErrorCode::kCancelled);
  }
  Ends ends = co_await connected(loop, at, cancel, listen, connect);
  static auto read_one = [](Stream& s, Cancel& scope, IoStatus* into) -> Task<void> {
    *into = co_await read_status(s, scope);
  };
  Cancel scope;
  IoStatus status = IoStatus::kOk;
  TaskGroup group;
  group.start(read_one(*ends.client, scope, &status));
  scope.request(CancelReason::kIdleTimeout);
  co_await group.idle();
  EXPECT_EQ(status, IoStatus::kCancelled);
  EXPECT_EQ(co_await read_status(*ends.client, cancel), IoStatus::kCancelled);
  EXPECT_EQ((co_await write_text(*ends.client, "x", cancel)).status, IoStatus::kCancelled);
}

TEST_F(TlsStreamTest, HonoursCancelInHandshakesAndReads) {
  host_.run(cancelled(loop_, at_, listen_, connect_));
}

struct Never final : Completion {
  void on_done(IoResult) override { ADD_FAILURE() << "a destroyed stream completed"; }
};

Task<void> destroy_pending(Loop& loop, Address at, Network::ListenOptions listen, ConnectOptions connect) {
  Cancel cancel;
  Never never;
  Ends ends = co_await connected(loop, at, cancel, listen, connect);
  std::string text(10'000'000, 'x');
  std::string_view piece = text;
  std::array<char, 64> buffer;
  EXPECT_FALSE(ends.server->start_read(buffer, never));
  EXPECT_FALSE(ends.server->start_write({&piece, 1}, never));
  ends.server.reset();
  co_await turns(loop, 20);
}

TEST_F(TlsStreamTest, ADestroyedStreamNeverCompletes) {
  host_.run(destroy_pending(loop_, at_, listen_, connect_));
}

// A client made of OpenSSL and memory, which can say what no TlsStream would.
class OddClient {
 public:
  explicit OddClient(Stream& stream) : stream_(stream), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
  }
  Task<void> shake_hands(Cancel& cancel) {
    while (SSL_do_handshake(ssl_.get()) != 1) {
      std::string said = unsent();
      co_await write_text(stream_, said, cancel);
      std::array<char, 16384> buffer;
      IoResult got = co_await read(stream_, buffer, cancel);
      if (!got.ok()) co_return;
      BIO_write(SSL_get_rbio(ssl_.get()), buffer.data(), static_cast<int>(got.bytes));
    }
    std::string said = unsent();
    co_await write_text(stream_, said, cancel);
  }
  void update_key() {
    EXPECT_EQ(SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    EXPECT_EQ(SSL_do_handshake(ssl_.get()), 1);
  }
  void say(std::string_view text) {
    size_t n = 0;
    EXPECT_EQ(SSL_write_ex(ssl_.get(), text.data(), text.size(), &n), 1);
  }
  /// What it would have sent since the last call.
  std::string unsent() {
    char* data = nullptr;
    long size = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &data);
    std::string bytes(data, static_cast<size_t>(size));
    BIO_reset(SSL_get_wbio(ssl_.get()));
    return bytes;
  }

 private:
  Stream& stream_;
  SslContext context_;
  Ssl ssl_;
};

Task<void> first_read(Stream& stream, std::string* into, std::vector<std::string>* order, std::string name) {
  Cancel cancel;
  *into = co_await read_all(stream, 3, cancel);
  order->push_back(std::move(name));
}

Task<void> send_all(Stream& stream, std::string_view text) {
  Cancel cancel;
  EXPECT_TRUE((co_await write_text(stream, text, cancel)).ok());
}

// Key updates hold no data, so that one read of OpenSSL goes on over all that came: the others must have
// their turn in between.
Task<void> key_updates(Loop& loop, Address at, Network::ListenOptions listen, ConnectOptions connect) {
  Cancel cancel;
  Accepting accepting(loop, at, listen);
  auto plain = co_await loop.network().connect(accepting.local(), {}, cancel);
  OddClient odd(**plain);
  co_await odd.shake_hands(cancel);
  auto odd_server = co_await accepting.next(cancel);
  auto client = co_await loop.network().connect(accepting.local(), connect, cancel);
  auto server = co_await accepting.next(cancel);

  for (int i = 0; i < 2'200; ++i)  // more than one turn takes, less than a socket holds
    odd.update_key();
  odd.say("end");
  std::string flood = odd.unsent();
  std::string said, from_odd;
  std::vector<std::string> order;
  TaskGroup group;
  EXPECT_GT(flood.size(), 55'000u);
  EXPECT_LT(flood.size(), 64'000u);
  group.start(send_all(**plain, flood));
  co_await turns(loop, 20);
  co_await write_text(**client, "hey", cancel);
  co_await turns(loop, 20);
  group.start(first_read(*odd_server, &from_odd, &order, "odd"));
  group.start(first_read(*server, &said, &order, "good"));
  co_await group.idle();
  EXPECT_EQ(said, "hey");
  EXPECT_EQ(from_odd, "end");
  EXPECT_EQ(order, (std::vector<std::string>{"good", "odd"}));
}

TEST_F(TlsStreamTest, AFloodOfKeyUpdatesLeavesTheOthersTheirTurn) {
  host_.run(key_updates(loop_, at_, listen_, connect_));
}

// A connection that never speaks is dropped after the handshake's time; others are not held up by it.
Task<void> silent_client(Loop& loop, Address at, Network::ListenOptions listen, ConnectOptions connect) {
  Cancel cancel;
  listen.handshake_timeout =
      seconds(1);  // far above a real handshake, sanitizers and a busy machine included
  Accepting accepting(loop, at, listen);
  auto silent = co_await loop.network().connect(accepting.local(), {}, cancel);
  auto client = co_await loop.network().connect(accepting.local(), connect, cancel);
  EXPECT_TRUE(client);
  EXPECT_TRUE(co_await accepting.next(cancel));
  EXPECT_EQ(co_await read_status(**silent, cancel), IoStatus::kEof);
}

TEST_F(TlsStreamTest, DropsClientsThatDoNotShakeHands) {
  host_.run(silent_client(loop_, at_, listen_, connect_));
}

Task<void> resumes(Loop& loop, Address at, Network::ListenOptions listen, ConnectOptions connect) {
  Cancel cancel;
  Accepting accepting(loop, at, listen);
  for (bool resumed : {false, true, true}) {
    auto client = co_await loop.network().connect(accepting.local(), connect, cancel);
    EXPECT_TRUE(client);
    auto server = co_await accepting.next(cancel);
    co_await write_text(*server, "x", cancel);
    EXPECT_EQ(co_await read_all(**client, 1, cancel), "x");  // the ticket comes with the first read
    EXPECT_EQ(static_cast<TlsStream&>(**client).resumed(), resumed);
  }
}

TEST_F(TlsStreamTest, ResumesSessionsOfTheSameServer) {
  host_.run(resumes(loop_, at_, listen_, connect_));
}

TEST_F(TlsStreamTest, RefusesCertificatesAndKeysThatDoNotFit) {
  TlsServerOptions other = make_certificate("DNS:weir.test");
  TlsServerOptions bad[] = {{"", server_.private_key_pem},
                            {server_.certificate_pem, ""},
                            {"garbage", "garbage"},
                            {server_.certificate_pem, other.private_key_pem}};
  for (const TlsServerOptions& options : bad) {
    listen_.tls = &options;
    auto listener = host_.network().listen(at_, listen_, [](std::unique_ptr<Stream>) {});
    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().code, ErrorCode::kConfig);
  }
  listen_.tls = &server_;
  EXPECT_TRUE(host_.network().listen(at_, listen_, [](std::unique_ptr<Stream>) {}));
}

}  // namespace
}  // namespace weir::io::net
