// Ledger: every request of a world, what became of it at the client and at the model servers, and what must
// be true of that. A client opens a case before it sends and closes it exactly once; the model servers tell
// of their side (MockWatcher). What must hold:
//   1. An answer is what the request foretells, and any unfinished one a prefix of it (answer.h); it ends as
//   the
//      model server ended it: never an invented end, never a missing one.
//   2. A bad outcome has a reason: the script, or what was done to the world (troubles.h).
//   3. Nobody waits longer than the timers allow.
//   4. Once a client left, nobody works for it any more.
//   5. What was sent and not yet received stays bounded.
//   6. A revoked key opens nothing once its replica could have heard of it, and no other key is refused.
//   7. Once a word of an answer has reached the client, whoever else is asked is asked to go on with it.
// The first violation of each world is reported; it ends the world.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "weir/app/mock/server.h"
#include "weir/app/sim/answer.h"
#include "weir/app/sim/ask.h"
#include "weir/app/sim/key_desk.h"
#include "weir/app/sim/troubles.h"
#include "weir/io/sim/universe.h"

namespace weir::app::sim {

/// How a request ended for its client.
enum class End : uint8_t {
  kOpen,
  kAnswered,  // a whole answer, good or bad, or a stream that ended in order (perhaps in an error event)
  kBroken,    // the connection ended first
  kUnread,    // the connection was closed in order before this (pipelined) request was answered
  kLeft,      // the client went
  kGaveUp,    // the client waited longer than it should ever have to
  kNotSent,   // no connection
};
std::string_view name(End end);

/// How the client behaves, as far as it explains an outcome.
struct Manner {
  bool slow_reader = false;
  bool slow_sender = false;  // slower than the server allows
  bool pipelined = false;
};

struct Case {
  Ask ask;
  size_t replica = 0;
  std::string client;
  Manner manner;
  MonoTime visit;   // when its connection was asked for
  MonoTime opened;  // when it was sent
  MonoTime ended;
  End end = End::kOpen;
  int status = 0;
  std::string error;
  std::string request_id;
  int64_t words_got = 0;
  bool done = false;  // [DONE] came
  int continuations = 0;
  // At the model servers.
  int calls = 0;
  int calls_open = 0;
  uint32_t asked = 0;  // a bit a model server
  int64_t words_sent = 0;
  std::string called_id;  // the request's id as the model server was told it
};

class Ledger {
 public:
  Ledger(io::sim::Universe& universe, Troubles& troubles);
  /// Whose keys the requests use, where there are accounts.
  void use_accounts(const KeyDesk* accounts) { accounts_ = accounts; }

  /// The tag is set; the reference stays.
  Case& open(Ask ask, size_t replica, std::string client, MonoTime visit, Manner manner);
  /// `reader`: what the client read of its answer.
  void close(Case& c, End end, const AnswerReader& reader);
  void progress(Case& c, const AnswerReader& reader);

  /// The model server's process died: its calls are over.
  void forget_calls(size_t model);
  /// To be looked at every now and then.
  void check();

  /// "nothing" when empty: what was violated first.
  const std::string& violation() const { return violation_; }
  void violated(std::string what);
  void violated(const Case& c, std::string what);

  uint64_t requests() const { return cases_.size(); }
  const std::deque<Case>& cases() const { return cases_; }
  bool asked_without_case(const std::string& request_id) const { return untagged_.contains(request_id); }
  std::map<std::string, uint64_t> outcomes() const;
  /// Requests that a model server was asked for, and how often one was asked for the same again, from the
  /// beginning.
  uint64_t asked() const { return asked_; }
  uint64_t asked_again() const { return asked_again_; }

  /// The watcher of model server `i`.
  MockWatcher& watcher(size_t i);

 private:
  struct Watcher final : MockWatcher {
    Watcher(Ledger& l, size_t m) : ledger(l), model(m) {}
    void on_call(int64_t tag, std::string_view request_id, bool goes_on) override {
      ledger.call_begins(model, tag, request_id, goes_on);
    }
    void on_words(int64_t tag, int64_t words) override { ledger.words_sent(tag, words); }
    void on_call_end(int64_t tag, io::CancelReason) override { ledger.call_ends(model, tag); }
    Ledger& ledger;
    size_t model;
    std::vector<int64_t> open;  // tags
  };
  void call_begins(size_t model, int64_t tag, std::string_view request_id, bool goes_on);
  void words_sent(int64_t tag, int64_t words);
  void call_ends(size_t model, int64_t tag);
  void judge_answer(const Case& c, const AnswerReader& reader);
  void judge_key(const Case& c);
  bool cut_explained(const Case& c) const;
  bool error_explained(const Case& c) const;
  bool break_explained(const Case& c) const;
  bool sickness_explains(const Case& c) const;
  Case* find(int64_t tag);

  io::sim::Universe& universe_;
  Troubles& troubles_;
  const KeyDesk* accounts_ = nullptr;
  const MonoTime start_;
  std::deque<Case> cases_;
  std::deque<Watcher> watchers_;
  std::set<std::string> untagged_;  // ids of requests without a case that a model server was asked for
  std::string violation_;
  uint64_t asked_ = 0, asked_again_ = 0;
};

}  // namespace weir::app::sim
