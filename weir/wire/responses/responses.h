// OpenAI's Responses wire, as the caller's dialect for every model server, and relayed to those that speak
// it; a translation towards it is not written. Calls to server-side tools (web search, file search ...) are
// named as losses. What an earlier answer stands for is put into the request before it comes here
// (pipeline/keep); one that still names an earlier answer is refused, and an answer says whether it is kept.
#pragma once

#include "weir/wire/wire.h"

namespace weir::wire::responses {

const Wire& responses_wire();

/// "resp_" + the digits of the exchange's id.
std::string response_id(const AnswerContext& context);

/// The members of an answer that repeat the request, as JSON members with a comma in front of each.
std::string echo_of(const exchange::ModelRequest& request);

/// The parts of an answer as output items, and the answer they stand in.
class ResponseText {
 public:
  explicit ResponseText(const AnswerContext& context) : context_(context) {}
  /// {"id":"resp_...","object":"response",...}; `finish` nullopt: under way.
  std::string response(const std::vector<chat::Part>& parts, std::optional<chat::Finish> finish,
                       const exchange::Usage* usage) const;
  /// `index`: the item's place in the output. `done` false: as it begins, without content.
  std::string item(const chat::Part& part, size_t index, bool done) const;
  std::string item_id(const chat::Part& part, size_t index) const;

 private:
  const AnswerContext& context_;
};

Result<void> read_request(Operation operation, json::Parser& parser, exchange::ModelRequest& request);
Result<chat::Request> read_chat(const exchange::ModelRequest& request);
std::string write_answer(const AnswerContext& context, const chat::Answer& answer);
std::unique_ptr<StreamWriter> stream_writer(AnswerContext context);
std::string error_event(const Error& error);
std::optional<exchange::Usage> read_usage(const json::Value& usage);
EventFacts read_event(const StreamFrame& frame, bool look_for_output);

}  // namespace weir::wire::responses
