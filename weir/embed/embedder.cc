#include "weir/embed/embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace weir::embed {
namespace {

std::vector<float> pool(const Matrix& hidden, Pooling pooling) {
  auto first = hidden.row(0);
  std::vector<float> out(first.begin(), first.end());
  if (pooling == Pooling::kCls) return out;
  for (size_t r = 1; r < hidden.rows; ++r)
    std::ranges::transform(out, hidden.row(r), out.begin(), std::plus<>());
  for (float& x : out)
    x /= static_cast<float>(hidden.rows);
  return out;
}

double length_of(std::span<const float> values) {
  double squares = 0;
  for (float x : values)
    squares += double{x} * x;
  return std::sqrt(squares);
}

}  // namespace

Embedder::Embedder(EmbedderOptions options, WordPiece tokenizer, std::unique_ptr<OnnxSession> session)
    : options_(std::move(options)), tokenizer_(std::move(tokenizer)), session_(std::move(session)) {}

Result<std::unique_ptr<Embedder>> Embedder::open(EmbedderOptions options) {
  TRY(auto tokenizer, WordPiece::parse(options.tokenizer_json));
  options.tokenizer_json = {};
  TRY(auto session, OnnxSession::open({.library_path = options.library_path,
                                       .model_path = options.model_path,
                                       .threads = options.threads}));
  std::unique_ptr<Embedder> out(new Embedder(std::move(options), std::move(tokenizer), std::move(session)));
  auto probe = out->embed("probe");
  if (!probe) {
    Error e = std::move(probe).error();
    return fail_internal(ErrorCode::kConfig,
                         fmt::format("model {}: {}", out->options_.model_path, e.message));
  }
  out->dimensions_ = static_cast<int>(probe->values.size());
  return out;
}

Result<Embedding> Embedder::embed(std::string_view text) const {
  return run(tokenizer_.encode(text));
}

Result<Embedding> Embedder::embed_ids(std::span<const TokenId> ids) const {
  for (TokenId id : ids)
    if (id < 0 || static_cast<size_t>(id) >= tokenizer_.size())
      return fail(
          ErrorCode::kInvalidRequest,
          fmt::format("Token id {} is not in this model's vocabulary of {} ids.", id, tokenizer_.size()),
          "input");
  if (!ids.empty() && ids.front() == tokenizer_.cls()) return run(ids);
  std::vector<TokenId> framed = {tokenizer_.cls()};
  framed.insert(framed.end(), ids.begin(), ids.end());
  framed.push_back(tokenizer_.sep());
  return run(framed);
}

Result<Embedding> Embedder::run(std::span<const TokenId> ids) const {
  if (ids.size() > options_.max_tokens)
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("The input has {} tokens; this model reads at most {}. Split the text.",
                            ids.size(), options_.max_tokens),
                "input", "context_length_exceeded");
  TRY(Matrix hidden, session_->run(ids));
  if (hidden.rows != ids.size())
    return fail_internal(ErrorCode::kInternal,
                         fmt::format("the model gave {} vectors for {} tokens", hidden.rows, ids.size()));
  Embedding out{pool(hidden, options_.pooling), static_cast<int>(ids.size())};
  double length = length_of(out.values);
  if (!std::isfinite(length) || length == 0)
    return fail_internal(ErrorCode::kInternal, "the model gave a vector of no direction");
  if (options_.normalize)
    for (float& x : out.values)
      x = static_cast<float>(x / length);
  return out;
}

}  // namespace weir::embed
