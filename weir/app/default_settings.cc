#include "weir/app/default_settings.h"

#include <fmt/format.h>

#include <array>

namespace weir::app {
namespace {

// 190 random bits as 32 characters of base 62, after a prefix that secret scanners can look for.
std::string new_key(io::Random& random) {
  static constexpr std::string_view kAlphabet =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string key = "wr_local_";
  while (key.size() < 9 + 32) {
    std::array<unsigned char, 64> bytes{};
    random.secret(bytes);
    for (unsigned char b : bytes)
      if (b < 248 && key.size() < 9 + 32) key += kAlphabet[b % 62];  // 248 = 4 * 62: no character is likelier
  }
  return key;
}

Result<std::string> kept_key(const std::string& state_dir, io::Loop& loop) {
  if (state_dir.empty()) return new_key(loop.random());
  std::string path = state_dir + "/api_key";
  if (auto kept = loop.disk().read_file(path, 512)) {
    std::string key = *kept;
    while (key.ends_with('\n'))
      key.pop_back();
    if (key.size() >= 8) return key;
  }
  std::string key = new_key(loop.random());
  TRY_VOID(loop.disk().make_directory(state_dir, 0700));
  TRY_VOID(loop.disk().write_file(path, key + "\n", 0600));
  return key;
}

std::string quoted(std::string_view text) {
  return fmt::format("\"{}\"", text);
}

}  // namespace

Result<DefaultSettings> default_settings(const ServeCommand& command, io::Loop& loop) {
  DefaultSettings d;
  TRY(d.api_key, kept_key(command.state_dir, loop));
  const std::string& dir = command.models_dir;
  auto there = [&](const std::string& file) {
    return !dir.empty() && loop.disk().stat(dir + "/" + file).has_value();
  };

  d.yaml = fmt::format(
      "server: {{ listen: {} }}\nauth:\n  anonymous: loopback\n  keys: [ {{ name: local, key: {} }} ]\n",
      quoted(command.listen), quoted(d.api_key));
  // Without a folder of its own nothing can be kept.
  d.yaml += command.state_dir.empty() ? "events: { enabled: false }\naccounts: { enabled: false }\n"
                                      : fmt::format("data: {{ directory: {} }}\n", quoted(command.state_dir));
  std::string chat, embeddings;
  if (there("llama-server") && there("chat.gguf")) {
    d.chat_model = "smollm2-135m";
    chat = fmt::format("    chat: {{ name: {}, server: {}, model: {} }}\n", d.chat_model,
                       quoted(dir + "/llama-server"), quoted(dir + "/chat.gguf"));
  }
  if (there("libonnxruntime.so") && there("embed.onnx") && there("embed-tokenizer.json")) {
    d.embedding_model = "bge-small-en-v1.5";
    embeddings = fmt::format("    embeddings: {{ name: {}, library: {}, model: {}, tokenizer: {} }}\n",
                             d.embedding_model, quoted(dir + "/libonnxruntime.so"),
                             quoted(dir + "/embed.onnx"), quoted(dir + "/embed-tokenizer.json"));
  }
  if (chat.empty() && embeddings.empty()) return d;
  d.yaml += "providers:\n  - name: local\n    kind: local\n" + chat + embeddings;
  if (!d.chat_model.empty())
    d.yaml += fmt::format("models:\n  - name: local\n    targets: [ {{ provider: local, model: {} }} ]\n",
                          d.chat_model);
  return d;
}

}  // namespace weir::app
