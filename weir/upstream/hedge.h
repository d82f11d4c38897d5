// Hedge: the same request at a second target while the first is silent; the first to answer has the caller's
// stream, the other is given up. The second side works on an exchange of its own, a copy of the caller's that
// borrows the request's bytes, and what it found out is taken over when it wins.
//
// Source of the method: Dean and Barroso, "The Tail at Scale", 2013 (hedged requests).
#pragma once

#include <optional>

#include "weir/exchange/answer_stream.h"
#include "weir/exchange/exchange.h"
#include "weir/io/loop.h"
#include "weir/upstream/delivery.h"

namespace weir::upstream {

class Hedge {
 public:
  enum Side : int8_t { kNobody = -1, kFirst = 0, kSecond = 1 };

  /// `scope`: the request's, with its total time. All outlive it.
  Hedge(exchange::Exchange& exchange, exchange::AnswerStream& stream, io::Cancel& scope);
  Hedge(const Hedge&) = delete;
  Hedge& operator=(const Hedge&) = delete;

  /// Where a side's Delivery sends its answer.
  exchange::AnswerStream& stream(Side side) { return side == kFirst ? first_ : second_; }
  io::Cancel& scope(Side side) { return side == kFirst ? first_scope_ : second_scope_; }
  /// Makes the second side. Once.
  void open_second();
  exchange::Exchange& second_exchange() { return *copy_; }
  Delivery& second_delivery() { return *delivery_; }

  /// The side has an answer: it is the one unless the other was before. Ends the other.
  void claim(Side side);
  Side winner() const { return winner_; }
  /// Notified when a side has won or ended.
  io::Event& changed() { return changed_; }

  /// What the second side found out is the exchange's from now on. Requires: it has won and ended.
  void adopt();

 private:
  class Gate final : public exchange::AnswerStream {
   public:
    Gate(Hedge& hedge, Side side) : hedge_(hedge), side_(side) {}
    void begin(int status, std::string_view content_type, const OwnedHeaders& headers) override;
    void event(exchange::StreamEvent event) override;
    io::Task<bool> flush() override;

   private:
    Hedge& hedge_;
    const Side side_;
  };

  exchange::Exchange& exchange_;
  exchange::AnswerStream& stream_;
  io::Cancel first_scope_, second_scope_;
  Gate first_{*this, kFirst}, second_{*this, kSecond};
  std::optional<exchange::Exchange> copy_;
  std::optional<Delivery> delivery_;
  Side winner_ = kNobody;
  io::Event changed_;
};

}  // namespace weir::upstream
