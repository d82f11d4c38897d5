#include "weir/app/embedder_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <optional>
#include <utility>

#include "weir/base/json_write.h"
#include "weir/wire/openai/openai.h"

namespace weir::app {
namespace {

Unexpected refuse(std::string message, std::string param) {
  return fail(ErrorCode::kInvalidRequest, std::move(message), std::move(param));
}

// ---- the request

Result<EmbeddingInput> read_text(const json::Value& value, std::string param) {
  std::string text = *value.as_string();
  if (text.empty()) return refuse("The input is empty.", std::move(param));
  return EmbeddingInput(std::move(text));
}

Result<EmbeddingInput> read_ids(const std::vector<json::Value>& elements, std::string param) {
  std::vector<embed::TokenId> ids;
  ids.reserve(elements.size());
  for (const json::Value& element : elements) {
    auto id = element.as_int();
    if (!id) return refuse("A list of token ids holds integers only.", std::move(param));
    ids.push_back(*id);
  }
  if (ids.empty()) return refuse("The input is empty.", std::move(param));
  return EmbeddingInput(std::move(ids));
}

Result<EmbeddingInput> read_element(const json::Value& element, size_t index) {
  std::string param = fmt::format("input[{}]", index);
  if (element.type == json::Type::kString) return read_text(element, std::move(param));
  if (element.type == json::Type::kArray) return read_ids(json::elements_of(element.raw), std::move(param));
  return refuse("An input is a string or a list of token ids.", std::move(param));
}

Result<void> read_input(const json::Value* value, size_t inputs_max, EmbeddingRequest& out) {
  if (!value) return refuse("The parameter input is missing.", "input");
  if (value->type == json::Type::kString) {
    TRY(auto input, read_text(*value, "input"));
    out.inputs.push_back(std::move(input));
    return {};
  }
  if (value->type != json::Type::kArray)
    return refuse("The input is a string, a list of strings, a list of token ids or a list of such lists.",
                  "input");
  auto elements = json::elements_of(value->raw);
  if (elements.empty()) return refuse("The input is empty.", "input");
  if (elements.front().type == json::Type::kNumber) {
    TRY(auto input, read_ids(elements, "input"));
    out.inputs.push_back(std::move(input));
    return {};
  }
  if (elements.size() > inputs_max)
    return refuse(
        fmt::format("There are {} inputs; at most {} fit in one request.", elements.size(), inputs_max),
        "input");
  out.is_list = true;
  for (size_t i = 0; i < elements.size(); ++i) {
    TRY(auto input, read_element(elements[i], i));
    out.inputs.push_back(std::move(input));
  }
  return {};
}

// null is as good as absent, as clients send it for what they leave open.
const json::Value* find(const json::Document& document, std::string_view key) {
  const json::Value* value = document.find(key);
  return value && value->type != json::Type::kNull ? value : nullptr;
}

Result<void> check_model(const json::Document& document, const EmbeddingModel& model) {
  const json::Value* name = find(document, "model");
  if (!name || name->type != json::Type::kString)
    return refuse("The parameter model is missing or no string.", "model");
  if (!name->is_string(model.name))
    return fail(ErrorCode::kNotFound, fmt::format("The model `{}` does not exist here.", *name->as_string()),
                "model", "model_not_found");
  return {};
}

// ---- the answer

void append_base64(std::string& out, std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto byte = [&](size_t i) {
    return i < bytes.size() ? uint32_t{static_cast<unsigned char>(bytes[i])} : 0U;
  };
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    size_t digits = std::min<size_t>(bytes.size() - i, 3) + 1;
    for (size_t d = 0; d < 4; ++d)
      out += d < digits ? kDigits[bits >> (18 - 6 * d) & 63] : '=';
  }
}

/// A vector as JSON: numbers, shortest text that reads back as the same float; or little-endian floats in
/// base64.
std::string vector_text(const std::vector<float>& values, bool base64) {
  static_assert(std::endian::native == std::endian::little);
  std::string out;
  if (base64) {
    out = '"';
    append_base64(out, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
    return out += '"';
  }
  out.reserve(values.size() * 14);
  for (float x : values)
    fmt::format_to(std::back_inserter(out), "{}{}", out.empty() ? '[' : ',', x);
  return out += ']';
}

struct EmbeddingText {
  std::string json;
  int tokens = 0;
};

std::string answer_body(const std::vector<EmbeddingText>& data, const std::string& model) {
  std::string body;
  int64_t tokens = 0;
  json::Writer writer(body);
  writer.begin_object().member("object", "list").key("data").begin_array();
  for (size_t i = 0; i < data.size(); ++i) {
    writer.begin_object()
        .member("object", "embedding")
        .member("index", i)
        .key("embedding")
        .raw(data[i].json)
        .end_object();
    tokens += data[i].tokens;
  }
  writer.end_array().member("model", model).key("usage").begin_object();
  writer.member("prompt_tokens", tokens).member("total_tokens", tokens).end_object().end_object();
  return body;
}

/// The method a path takes; empty: no such path.
std::string_view method_of(std::string_view path) {
  if (path == "/v1/embeddings") return "POST";
  if (path == "/v1/models" || path == "/health") return "GET";
  return {};
}

}  // namespace

Result<EmbeddingRequest> read_embedding_request(const json::Document& document, const EmbeddingModel& model,
                                                size_t inputs_max) {
  if (document.type != json::Type::kObject) return refuse("The body is no JSON object.", {});
  TRY_VOID(check_model(document, model));
  EmbeddingRequest out;
  TRY_VOID(read_input(find(document, "input"), inputs_max, out));
  if (const json::Value* format = find(document, "encoding_format")) {
    out.base64 = format->is_string("base64");
    if (!out.base64 && !format->is_string("float"))
      return refuse("The encoding_format is float or base64.", "encoding_format");
  }
  if (const json::Value* dimensions = find(document, "dimensions");
      dimensions && dimensions->as_int() != model.dimensions)
    return refuse(fmt::format("The vectors of this model have {} dimensions and cannot be shortened.",
                              model.dimensions),
                  "dimensions");
  if (const json::Value* user = find(document, "user"); user && user->type != json::Type::kString)
    return refuse("The parameter user is a string.", "user");
  return out;
}

/// The inputs of one request on their way through the workers. Taken in order, so when one fails every
/// earlier one was already taken, and `first_bad` ends as the lowest index at fault.
struct EmbedderServer::Batch {
  const EmbeddingRequest& request;
  std::vector<EmbeddingText> done;
  size_t next = 0;
  size_t first_bad = SIZE_MAX;
  Error error;  // of first_bad

  bool ended() const { return next == request.inputs.size() || first_bad != SIZE_MAX; }
  void failed(size_t index, Error e) {
    if (index > first_bad) return;
    first_bad = index;
    error = std::move(e);
  }
};

EmbedderServer::EmbedderServer(io::Loop& loop, EmbeddingModel model, EmbedderServerOptions options)
    : loop_(loop), model_(std::move(model)), options_(options) {}

std::string EmbedderServer::error_body(const Error& error) {
  return wire::openai::error_body(error);
}

io::Task<void> EmbedderServer::serve(http::Request& request, http::ResponseWriter& response) {
  std::string_view path = request.head.path, method = request.head.method;
  std::string_view allowed = method_of(path);
  Result<std::string> body;
  if (allowed.empty())
    body = fail(ErrorCode::kNotFound, "There is no such path here.", {}, "unknown_path");
  else if (method != allowed && !(method == "HEAD" && allowed == "GET"))
    body = fail(ErrorCode::kMethodNotAllowed, fmt::format("This path takes {} only.", allowed));
  else if (path == "/health")
    body = R"({"status":"ok"})";
  else if (path == "/v1/models")
    body = wire::openai::models_body({{.id = model_.name, .owned_by = "weir"}});
  else
    body = co_await embeddings(request);
  int status = body ? 200 : http_status(body.error().code);
  std::string retry_after = std::to_string(body ? 0 : body.error().retry_after_s);
  std::vector<Header> headers = {{"content-type", "application/json"}};
  if (status == 405) headers.push_back({"allow", allowed});
  if (retry_after != "0") headers.push_back({"retry-after", retry_after});
  co_await response.send(status, headers, body ? *body : error_body(body.error()));
}

io::Task<Result<std::string>> EmbedderServer::embeddings(http::Request& request) {
  CO_TRY(auto bytes, co_await request.read_body(options_.body_bytes_max));
  CO_TRY(auto document, parser_.parse(bytes.view()));
  CO_TRY(auto wanted, read_embedding_request(document, model_, options_.inputs_max));
  bytes.release();
  if (inputs_waiting_ + wanted.inputs.size() > options_.inputs_waiting_max) {
    Error busy = make_error(ErrorCode::kUnavailable, "The embedding model has too much to do; try again.", {},
                            "overloaded");
    busy.retryable = true;
    busy.retry_after_s = 1;
    co_return Unexpected(std::move(busy));
  }
  inputs_waiting_ += wanted.inputs.size();
  auto answer = co_await run(wanted, request.cancel);
  inputs_waiting_ -= wanted.inputs.size();
  co_return answer;
}

io::Task<Result<std::string>> EmbedderServer::run(const EmbeddingRequest& request, io::Cancel& cancel) {
  Batch batch{.request = request};
  batch.done.resize(request.inputs.size());
  // A few lanes, not all inputs at once: the worker queue stays short and other requests get their turn in
  // it.
  io::TaskGroup lanes;
  for (int i = 0; i < options_.workers && !batch.ended(); ++i)
    lanes.start(work_through(batch, cancel));
  co_await lanes.idle();
  if (cancel.requested())
    co_return Unexpected(internal_error(ErrorCode::kCancelled, std::string(io::name(cancel.reason()))));
  if (batch.first_bad == SIZE_MAX) co_return answer_body(batch.done, model_.name);
  Error error = std::move(batch.error);
  if (error.code != ErrorCode::kInvalidRequest) fmt::print(stderr, "weir embedder: {}\n", error.message);
  if (request.is_list && error.param == "input") error.param = fmt::format("input[{}]", batch.first_bad);
  co_return Unexpected(std::move(error));
}

io::Task<void> EmbedderServer::work_through(Batch& batch, io::Cancel& cancel) {
  while (!batch.ended() && !cancel.requested()) {
    size_t index = batch.next++;
    auto work = [this, &batch, index]() -> Result<EmbeddingText> {
      TRY(auto embedding, model_.embed(batch.request.inputs[index]));
      return EmbeddingText{vector_text(embedding.values, batch.request.base64), embedding.tokens};
    };
    Result<EmbeddingText> result = co_await io::offload(loop_, work);
    if (result)
      batch.done[index] = std::move(*result);
    else
      batch.failed(index, std::move(result).error());
  }
}

}  // namespace weir::app
