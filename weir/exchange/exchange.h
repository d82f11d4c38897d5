// Exchange: one request on its way through the house and everything that was decided about it. It lives and
// dies on one loop. Stages do not know each other: facts travel here, and every field has one owner (named
// beside it) that writes it; the others read. Times are noted where they happen; record/ turns them into
// metrics and log lines.
#pragma once

#include <cstdint>
#include <forward_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/header.h"
#include "weir/base/json.h"
#include "weir/base/result.h"
#include "weir/base/settings.h"
#include "weir/exchange/pass_through.h"
#include "weir/exchange/principal.h"
#include "weir/exchange/receipt.h"
#include "weir/exchange/usage.h"
#include "weir/io/cancel.h"
#include "weir/io/loop.h"
#include "weir/io/task.h"

namespace weir::exchange {

enum class Operation : uint8_t { kChat, kCompletion, kEmbedding, kCountTokens, kPassThrough };
std::string_view name(
    Operation operation);  // "chat", "completion", "embedding", "count_tokens", "pass_through"

/// A family of wire formats (wire/wire.h). kResponses is OpenAI's second one.
enum class Dialect : uint8_t { kOpenAi, kResponses, kAnthropic, kOllama, kGemini };
std::string_view name(Dialect dialect);  // "openai", "responses", "anthropic", "ollama", "gemini"

class Exchange;

/// Reads the caller's body and turns it into Exchange::request, in the caller's dialect; implemented by
/// server/. A stage runs it, so that what stands before it (authentication) happens before a byte of the body
/// is read.
class RequestSource {
 public:
  virtual io::Task<Result<void>> receive(Exchange& exchange) = 0;

 protected:
  ~RequestSource() = default;
};

/// What is asked. Owner: server (RequestSource).
struct ModelRequest {
  json::PaddedBuffer body;
  size_t body_bytes = 0;                          // stays when the body is let go
  json::Document document;                        // views into body and unescaped_keys
  std::forward_list<std::string> unescaped_keys;  // the parser keeps those of the last document only
  std::string model;                              // as the caller wrote it
  bool stream = false;
  bool stored = false;               // keep: the answer will be kept
  std::string previous_response_id;  // keep: what the caller built on; its items stand in the body now
  bool usage_wanted = false;  // the caller asked for usage in the stream (stream_options.include_usage)

  /// Reads the body into the document. Errors: as json::Parser::parse.
  Result<void> parse(json::Parser& parser);

  /// Gives body and document back: once a stream began nobody else is asked, and it may last for minutes.
  void let_go() {
    document = {};
    unescaped_keys.clear();
    body.release();
  }
};

/// One model on one provider that may answer.
struct Target {
  std::string_view provider;
  std::string_view model;  // the provider's name of it; lives in the settings (or the request: pass-through)
  UpstreamTimeouts timeouts;
  bool prefill = false;  // goes on with an assistant's message at the end of a request
};

/// Where it may go, in order of preference. Owner: route.
struct Route {
  std::string_view model;  // canonical name: an alias is resolved; what metrics are labelled with
  std::vector<Target> targets;
  std::vector<Target> larger;               // asked instead when the request is too long for those
  const ModelSettings* settings = nullptr;  // nullptr: a model that is passed through
};

/// A whole answer. Owner: upstream (or the stage that answers instead).
struct Answer {
  int status = 200;
  std::string_view content_type = "application/json";  // a literal
  OwnedHeaders headers;                                // allow-listed ones of the model server
  std::string body;
};

/// When things happened, on this loop's monotonic clock; 0 ns: did not happen.
struct Timeline {
  MonoTime received;       // server: the head was complete
  MonoTime authenticated;  // auth
  MonoTime parsed;         // server: body read and understood
  MonoTime routed;         // route
  MonoTime connected;      // upstream: a connection was at hand (last attempt)
  MonoTime first_byte;     // upstream: response head
  MonoTime first_token;    // upstream: first event with content, or the whole answer
  MonoTime last_byte;      // upstream
};

/// How it ended. Owner: pipeline (code, status) and upstream (the rest).
struct Outcome {
  int status = 0;              // HTTP status the caller sees; 0: none was sent
  std::optional<Error> error;  // set when it did not end well
  io::CancelReason cancelled = io::CancelReason::kNone;
  int attempts = 0;           // upstream calls made
  std::string_view provider;  // of the last attempt
  std::string_view provider_model;
  std::string_view
      endpoint;         // host:port or socket path of the model server asked last; lives in the provider
  uint64_t events = 0;  // stream events relayed
  uint64_t answer_bytes = 0;     // payload bytes handed to the server
  bool streamed = false;         // the head of a stream went out: no status can change any more
  int retries = 0;               // attempts that asked a target again
  int continuations = 0;         // attempts that went on with what others had begun
  std::string begun_by;          // then: "provider model" that began it
  bool degraded = false;         // weir's own words, because every target failed
  bool usage_estimated = false;  // a part of the usage was never reported
};

/// What the caller says its request belongs to (headers x-weir-agent, x-weir-run, x-weir-tag); borrowed from
/// the head. Owner: server.
struct CallerTags {
  std::string_view agent, run, tag;
};

/// A call whose answer broke off before another model went on with it. Owner: upstream.
struct SpentCall {
  std::string_view provider;
  std::string_view model;  // the provider's name of it
  Usage usage;             // estimated where it was not reported
};

/// What it cost. Owner: price.
struct Cost {
  std::optional<int64_t> nanodollars;  // unknown: no usage, no price, or nobody charges
  bool unpriced = false;               // tokens were used that have no price: an alarm, never nothing to pay
  std::string text;                    // for the caller, where callers are told: "0.000325000"
  // What of it was for uncached input, and for input read from and written to the provider's cache.
  int64_t input_nanodollars = 0, cache_read_nanodollars = 0, cache_write_nanodollars = 0;
  int32_t price_version = 0;  // day of the price book, 20261120; 0: not priced
};

/// What its identity's meters hold back for it until what it used is known. Owner: quota.
struct Reserved {
  bool held = false;    // with every meter of the identity
  bool stream = false;  // counted among the streams under way
  int64_t input_tokens = 0, output_tokens = 0, nanodollars = 0;
  int64_t nanodollars_per_million_output = 0;  // of the dearest target
  int64_t output_pieces = 0;                   // of the stream, so far
  std::string warning;                         // for the caller: "tenant month 83%"; empty: none
  // What refused it, or cut it off: "tenant", "budget"; empty: nothing. Live as long as the principal.
  std::string_view refused_scope, refused_limit;
};

/// Where it is written down. Owner: record.
struct RecordPlace {
  bool taken = false;          // a place in the event ring is held for it
  Receipt* receipt = nullptr;  // set when it is over: its answer's end waits for settled(number)
  uint64_t number = 0;
};

class Exchange {
 public:
  Exchange(io::Loop& l, io::Cancel& c, Operation o, RequestSource& s)
      : loop(l), cancel(c), operation(o), source(s) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  io::Loop& loop;
  io::Cancel& cancel;  // requested when the caller leaves; every wait below takes it
  const Operation operation;
  RequestSource& source;
  Dialect dialect = Dialect::kOpenAi;  // server: the caller's

  std::string id;           // server: ours, "req_" + 24 hex digits
  HeaderList headers;       // server: the caller's, borrowed for the request's life
  std::string_view peer;    // server: the caller's address
  bool peer_local = false;  // server: the caller is on this machine

  Principal principal;    // auth
  CallerTags tags;        // server
  bool admitted = false;  // admit: counted among its client's requests
  ModelRequest request;
  const PassThrough* pass = nullptr;  // server: this is a request that weir does not interpret
  Route route;
  exchange::Usage usage;         // upstream: of all calls together
  std::vector<SpentCall> spent;  // upstream: those among them that broke off
  Cost cost;                     // price
  Reserved reserved;             // quota
  std::optional<Error> cut;      // a tap: the streamed answer ends here, with this error to the caller
  std::string lossy;  // upstream: what a translation could not carry, for the caller ("seed, top_k")
  std::optional<Answer> answer;  // a whole answer, sent by server after every stage saw it
  Timeline timeline;
  Outcome outcome;
  RecordPlace record;

  /// Who calls, as one name (principal.h).
  std::string client() const { return client_of(principal, peer); }
  /// What metrics and records call it: the operation, or the API that is passed through.
  std::string_view operation_name() const { return pass ? weir::name(pass->api) : exchange::name(operation); }
};

}  // namespace weir::exchange
