// Keeps answers of the Responses dialect for callers who will build on them, whatever model server answers:
// stands between the pipeline and the dispatcher. On the way down `previous_response_id` becomes the items it
// stands for; on the way up the answer is stored before its end goes out, so a caller who saw the end can
// rely on it. Where the provider speaks the dialect itself (providers.passthrough: [responses]) it keeps its
// own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "weir/base/json.h"
#include "weir/base/settings.h"
#include "weir/exchange/model_client.h"
#include "weir/store/response_store.h"

namespace weir::pipeline {

class KeepingClient final : public exchange::ModelClient {
 public:
  /// `below`, `settings` and `parser` outlive it. `store` nullptr: nothing is kept.
  KeepingClient(exchange::ModelClient& below, std::shared_ptr<store::ResponseStore> store,
                const Settings& settings, json::Parser& parser)
      : below_(below), store_(std::move(store)), settings_(settings), parser_(parser) {}

  io::Task<Result<void>> call(exchange::Exchange& exchange, exchange::AnswerStream& stream) override;

 private:
  bool kept_by_provider(const exchange::Exchange& exchange) const;
  io::Task<Result<void>> recall(exchange::Exchange& exchange, const std::string& id);
  io::Task<Result<void>> keep(exchange::Exchange& exchange, std::string input, std::string body);

  exchange::ModelClient& below_;
  const std::shared_ptr<store::ResponseStore> store_;  // of all cores
  const Settings& settings_;
  json::Parser& parser_;
  uint64_t until_expiry_ = 1;  // answers to be stored before the old ones are looked after
};

}  // namespace weir::pipeline
